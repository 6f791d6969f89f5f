"""
Airflow DAG: segment, prompts, pools, decode in shards, publish, evaluate.

It runs every night, and whenever somebody updates the asset `dare_inputs` with the extra `{"partition": P}`.
Settings are Airflow variables, and params of the same names for a single run:

| variable, param         | default | meaning                                                       |
|-------------------------|---------|---------------------------------------------------------------|
| dare_config, config     |         | configuration file, an absolute path                          |
| dare_command, command   | dare    | how DARE is called                                            |
| dare_lake, lake         |         | folder or s3:// of the tables instead of the configuration's  |
| dare_shards, shards     | 1       | tasks that decode                                             |
| dare_set, set           | []      | keys of the configuration, a list of `path.to.key=value`      |
| (no variable) partition |         | this partition instead of the date or the event's             |

The XCom of `evaluate` holds what relaxed decoding changes: `results` by setting, entity type and framework, and
`downstream` with its `statement`. It decodes `evaluate.limit` users and items again; features are published before it,
whatever it finds.

Where tasks run on several machines, lake and inputs are in an object store, or on storage that all of them see;
configuration and model are under the same path on each.

Every task asks DARE whether there is anything to do, so a skipped one skips nothing after it (`none_failed`).
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow.sdk import (
    DAG,
    Asset,
    AssetOrTimeSchedule,
    CronTriggerTimetable,
    Param,
    Variable,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowFailException
from dare_operator import DareOperator, RunSettings

if TYPE_CHECKING:
    from airflow.sdk import Context

INPUTS = Asset(name="dare_inputs", uri="x-dare://inputs")
FEATURES = Asset(name="dare_features", uri="x-dare://features")


def partition_of(context: Context) -> str:
    """
    Name the run's partition: the param, or that of the asset events that triggered it, or the day.

    :raises AirflowFailException: events without a partition, or with several different ones; a run without a date
    """
    given = context["params"]["partition"]
    if given is not None:
        return given
    events = [event for events in context["triggering_asset_events"].values() for event in events]
    if events:
        partitions = {event.extra.get("partition") for event in events}
        partition = partitions.pop()
        if partitions or not isinstance(partition, str):
            named = [event.extra.get("partition") for event in events]
            raise AirflowFailException(
                'the asset events must name one partition in their extra, {"partition": P}, '
                f"they name {named}: trigger a run for each with the param partition"
            )
        return partition
    # a run that is triggered without a logical date has no interval
    start = context.get("data_interval_start")
    if start is None:
        raise AirflowFailException(
            "no date: this run has neither a logical date nor an asset event; "
            """name the partition with --conf '{"partition": P}'"""
        )
    return start.strftime("%Y-%m-%d")


@task
def settings() -> RunSettings:
    """Bring params and variables together, once a run."""
    context = get_current_context()

    def setting(name: str, default: Any, as_json: bool = False) -> Any:
        given = context["params"][name]
        return Variable.get(f"dare_{name}", default, deserialize_json=as_json) if given is None else given

    config = setting("config", None)
    if config is None:
        raise AirflowFailException("no configuration: set the variable dare_config or the param config")
    return RunSettings(
        command=setting("command", "dare"),
        config=config,
        lake=setting("lake", None),
        partition=partition_of(context),
        set=setting("set", [], as_json=True),
    )


@task(trigger_rule="none_failed")
def shards(pools: dict[str, Any]) -> list[str | None]:
    """`1/n` to `n/n`; one whole without pools, because the rounds that then make them need all prompts."""
    count = get_current_context()["params"]["shards"]
    count = int(Variable.get("dare_shards", 1) if count is None else count)
    return [None] if count == 1 or pools["rows"] == 0 else [f"{k}/{count}" for k in range(1, count + 1)]


with DAG(
    "dare",
    description="Texts and vectors for every user and item",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 3 * * *", timezone="UTC"), assets=[INPUTS]
    ),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3},
    params={
        "partition": Param(None, type=["null", "string"]),
        "config": Param(None, type=["null", "string"]),
        "command": Param(None, type=["null", "string"]),
        "lake": Param(None, type=["null", "string"]),
        "shards": Param(None, type=["null", "integer"], minimum=1),
        "set": Param(None, type=["null", "array"], items={"type": "string"}),
    },
):
    # XComs of the same task, in one name
    run: Any = settings()
    common: dict[str, Any] = {"settings": run, "trigger_rule": "none_failed"}
    segment = DareOperator(task_id="segment", stage="segment", inlets=[INPUTS], **common)
    prompts = DareOperator(task_id="prompts", stage="prompts", **common)
    pools = DareOperator(task_id="pools", stage="pools", **common)
    decode = DareOperator.partial(task_id="decode", stage="decode", **common).expand(
        shard=shards(pools.output)
    )
    publish = DareOperator(task_id="publish", stage="publish", outlets=[FEATURES], **common)
    evaluate = DareOperator(task_id="evaluate", stage="evaluate", **common)
    segment >> prompts >> pools >> decode >> publish >> evaluate
