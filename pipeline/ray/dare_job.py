"""
Decodes one partition on a Ray cluster: a task for each shard, retried when it fails or its machine dies.

usage: python dare_job.py --config FILE --partition P --shards N [options]

Lake and inputs are in an object store (s3://), or on storage that all machines see under the same path; the
configuration and the model are under the same path on each of them, and DARE is installed there. What a shard
writes has a fixed name in the lake: a task that runs twice, or a job that is submitted again, goes on where the
shard was. segment, prompts and pools run before, publish after the shards.

Exit codes are DARE's: 0 done, 1 failed, 2 refused. The last line of stdout is publish's JSON line.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import shlex
import signal
import subprocess
import sys
from typing import Any

import ray
from ray.exceptions import RayError

REFUSED = 2
"""Exit code for wrong usage, configuration or input: trying again can't help."""


class StageFailed(Exception):
    """A stage failed, or was killed: trying again may help."""


class StageRefused(Exception):
    """A stage was refused."""


def run_stage(command: list[str], stage: str, arguments: list[str]) -> dict[str, Any]:
    """
    Run one stage where this task is, and return its JSON line.

    :raises StageRefused: it ended with exit code 2
    :raises StageFailed: it ended with another code, or a signal
    """
    process = subprocess.run(
        [*command, stage, "--json", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        preexec_fn=_end_with_parent() if sys.platform == "linux" else None,
    )
    last_line = (process.stdout.splitlines() or [""])[-1]
    if process.returncode == 0:
        return json.loads(last_line)
    error = StageRefused if process.returncode == REFUSED else StageFailed
    raise error(f"dare {stage} ended with exit code {process.returncode}: {last_line}")


def decode_shard(
    command: list[str], shard: str | None, arguments: list[str], adapters: list[str]
) -> dict[str, Any]:
    """Decode one shard, or all without one, on the GPU that Ray has given to the task if there are GPUs."""
    arguments = list(arguments)
    if shard is not None:
        arguments += ["--shard", shard]
    if adapters:
        # CUDA_VISIBLE_DEVICES, which Ray sets, is nothing to Vulkan
        adapter = adapters[int(ray.get_gpu_ids()[0])]
        arguments += ["--set", "model.device=webgpu", "--set", f"model.adapter={json.dumps(adapter)}"]
    return run_stage(command, "decode", arguments)


def run_job(options: argparse.Namespace) -> dict[str, Any]:
    """Run all stages of the partition; the result is that of publish."""
    command = shlex.split(options.command)
    arguments = ["--config", options.config, "--partition", options.partition]
    if options.lake is not None:
        arguments += ["--lake", options.lake]
    for assignment in [f"model.threads={options.cpus}", *options.set]:
        arguments += ["--set", assignment]

    # a worker that dies counts as well as an exception of the list
    retrying: dict[str, Any] = {"max_retries": options.retries, "retry_exceptions": [StageFailed]}
    stage = ray.remote(num_cpus=options.cpus, **retrying)(run_stage)
    decode = ray.remote(num_cpus=options.cpus, num_gpus=1 if options.adapter else 0, **retrying)(decode_shard)

    def run(name: str) -> dict[str, Any]:
        return ray.get(stage.remote(command, name, arguments))

    run("segment")
    run("prompts")
    shards: list[str | None] = [f"{index}/{options.shards}" for index in range(1, options.shards + 1)]
    if run("pools")["rows"] == 0:
        # the rounds that make pools where there are none need all prompts
        shards = [None]
    ray.get([decode.remote(command, shard, arguments, options.adapter) for shard in shards])
    return run("publish")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Decode one partition on a Ray cluster.")
    parser.add_argument("--config", required=True, help="DARE's configuration, an absolute path")
    parser.add_argument("--partition", required=True)
    parser.add_argument(
        "--shards", required=True, type=int, help="tasks that decode; more than workers is fine"
    )
    parser.add_argument("--lake", help="folder of the tables, or s3://bucket/prefix, instead of the configuration's")
    parser.add_argument("--set", action="append", default=[], metavar="path.to.key=value")
    parser.add_argument("--command", default="dare", help="how DARE is called (default: dare)")
    parser.add_argument(
        "--cpus", type=int, default=2, help="cores, and threads of the model, a task (default: 2)"
    )
    parser.add_argument("--retries", type=int, default=3, help="of each task (default: 3)")
    parser.add_argument(
        "--adapter",
        action="append",
        default=[],
        metavar="GPU",
        help="PCI bus id or name (model.adapter) of a machine's GPU, once for each in Ray's order; without it the CPU decodes",
    )
    options = parser.parse_args()
    if len(set(options.adapter)) < len(options.adapter):
        parser.error(
            "--adapter: GPUs of one name can't be told apart; give their PCI bus ids, as nvidia-smi shows them"
        )
    return options


def main() -> int:
    """Run the job on the cluster that RAY_ADDRESS or `ray job submit` names, else on this machine."""
    options = parse()
    ray.init(log_to_driver=True)
    try:
        result = run_job(options)
    except StageRefused as error:
        print(error, file=sys.stderr)
        return REFUSED
    except (StageFailed, RayError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(result))
    return 0


def _end_with_parent() -> Any:
    """
    Make what has the kernel kill a process together with its worker.

    A retry would meet the lock of one that goes on.
    """
    parent_death_signal = 1
    # loaded before the fork: between fork and exec only the call itself is safe
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(parent_death_signal, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
