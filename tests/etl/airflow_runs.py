"""
Runs the DAG several times in one process, as the scheduler would, without one.

usage: airflow_runs.py LAKE RUNS, where RUNS is JSON: [{"date"?, "conf", "events"?: [extra, ...]}, ...]
Environment: AIRFLOW_HOME, AIRFLOW__CORE__DAGS_FOLDER.
The last line of stdout is JSON: for each run its state, its tasks, the extras of the assets that it updated,
and the digests of the lake's files afterwards.
"""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow import settings as airflow_settings
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.models import dagrun as dagrun_module
from airflow.models.asset import AssetEvent, AssetModel
from airflow.models.dagrun import DagRun
from airflow.sdk import DAG
from airflow.utils.db import initdb
from sqlalchemy import select


def load_dag() -> DAG:
    """Load the DAG as the scheduler does: out of the DAGs folder's bundle."""
    bundle = next(iter(DagBundlesManager().get_all_dag_bundles()))
    bundle.initialize()
    bag = BundleDagBag(dag_folder=str(bundle.path), bundle_path=bundle.path, bundle_name=bundle.name)
    assert bag.import_errors == {}, bag.import_errors
    assert bag.dag_ids == ["dare"], bag.dag_ids
    return bag.dags["dare"]


def triggered_by(extras: list[dict[str, Any]]) -> None:
    """Make the next run one that events of the asset dare_inputs have triggered."""
    create = dagrun_module.get_or_create_dagrun

    def with_events(**arguments: Any) -> DagRun:
        run = create(**arguments)
        session = arguments["session"]
        asset = session.scalar(select(AssetModel).where(AssetModel.name == "dare_inputs"))
        run.consumed_asset_events.extend(AssetEvent(asset_id=asset.id, extra=extra) for extra in extras)
        session.commit()
        dagrun_module.get_or_create_dagrun = create
        return run

    dagrun_module.get_or_create_dagrun = with_events


def run_once(dag: DAG, request: dict[str, Any]) -> dict[str, Any]:
    """Run the DAG and describe what became of it."""
    if events := request.get("events"):
        triggered_by(events)
    date = request.get("date")
    run = dag.test(
        logical_date=None if date is None else datetime.fromisoformat(date), run_conf=request["conf"]
    )
    session = airflow_settings.Session()
    tasks = {}
    for task in run.get_task_instances(session=session):
        name = task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]"
        result = task.xcom_pull(task_ids=task.task_id, map_indexes=task.map_index, session=session)
        tasks[name] = {"state": task.state, "tries": task.try_number, "result": result}
    updates = session.scalars(select(AssetEvent).where(AssetEvent.source_run_id == run.run_id))
    return {"state": run.state, "tasks": tasks, "updates": [event.extra for event in updates]}


def digests(lake: Path) -> dict[str, str]:
    """Digest of every file of the lake."""
    files = sorted(path for path in lake.rglob("*") if path.is_file())
    return {str(path.relative_to(lake)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def main() -> None:
    """Read the command line, run, print."""
    lake, requests = Path(sys.argv[1]), json.loads(sys.argv[2])
    initdb()
    dag = load_dag()
    answers = [{**run_once(dag, request), "files": digests(lake)} for request in requests]
    print(json.dumps(answers))


main()
