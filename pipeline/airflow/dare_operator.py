"""An Airflow operator that runs one stage of DARE."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

if TYPE_CHECKING:
    from airflow.sdk import Context

SKIPPED = 99
"""What the command line is told to exit with when there is nothing to do."""
REFUSED = 2
"""Exit code for wrong usage, configuration or input: trying again can't help."""


class RunSettings(TypedDict):
    """What all stages of a run have in common."""

    command: str
    """How DARE is called, as a shell would read it, for example `/srv/books/node_modules/.bin/dare` (npx doesn't pass on signals)."""
    config: str
    lake: str | None
    """None: the one that the configuration names."""
    partition: str
    set: list[str]
    """`path.to.key=value` each."""


class DareOperator(BaseOperator):
    """
    Runs `dare <stage>`; its last line, parsed, becomes the XCom, also when the stage is skipped.

    No shell reads the arguments, so no value needs quoting. Exit codes: 0 done; 2 fails at once, whatever the
    task's retries; 99 (nothing to do) skips; anything else fails and is retried.

    :param stage: segment, prompts, pools, decode, publish or evaluate
    :param settings: see RunSettings
    :param shard: `k/n`, for decode only; None decodes everything

    Assets among the outlets are updated with the extra `{"partition", "rows"}`.
    """

    template_fields: Sequence[str] = ("settings", "shard")

    def __init__(self, *, stage: str, settings: RunSettings, shard: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stage = stage
        self.settings = settings
        self.shard = shard
        self.hook = SubprocessHook()

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Run the stage.

        :raises AirflowFailException: it was refused
        :raises AirflowSkipException: there was nothing to do
        :raises AirflowException: it failed, or was killed
        """
        code, last_line = self.hook.run_command([*shlex.split(self.settings["command"]), *self._arguments()])
        if code not in (0, SKIPPED):
            error = AirflowFailException if code == REFUSED else AirflowException
            raise error(f"dare {self.stage} ended with exit code {code}: {last_line}")
        result = json.loads(last_line)
        if code == SKIPPED:
            context["ti"].xcom_push(key="return_value", value=result)
            raise AirflowSkipException(f"dare {self.stage}: nothing to do")
        for outlet in self.outlets:
            extra = {"partition": result["partition"], "rows": result["rows"]}
            context["outlet_events"][outlet].extra.update(extra)
        return result

    def on_kill(self) -> None:
        """Stop between two steps, with what is finished kept."""
        self.hook.send_sigterm()

    def _arguments(self) -> list[str]:
        settings = self.settings
        arguments = [self.stage, "--json", "--skip-exit-code", str(SKIPPED)]
        arguments += ["--config", settings["config"], "--partition", settings["partition"]]
        if settings["lake"] is not None:
            arguments += ["--lake", settings["lake"]]
        if self.shard is not None:
            arguments += ["--shard", self.shard]
        for assignment in settings["set"]:
            arguments += ["--set", assignment]
        return arguments
