"""
Starts a cluster on this machine, submits jobs to it with `ray job submit`, one after the other, and stops it.

usage: ray_jobs.py JOBS, where JOBS is JSON: a list of the arguments of dare_job.py for each job, --lake among them
The last line of stdout is JSON: for each job its exit code and output, and the command lines of processes of
DARE that still work on its lake.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import ray

JOB = Path(__file__).parents[2] / "pipeline/ray"


def submit(address: str, arguments: list[str]) -> dict[str, Any]:
    """Submit a job and wait for it."""
    program = Path(sys.executable)
    command = [
        str(program.with_name("ray")),
        "job",
        "submit",
        "--address",
        address,
        "--working-dir",
        str(JOB),
    ]
    command += ["--", str(program), "dare_job.py", *arguments]
    job = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return {"code": job.returncode, "output": job.stdout, "left": processes_with(arguments[arguments.index("--lake") + 1])}


def processes_with(argument: str) -> list[str]:
    """Command lines of the running processes of DARE that have the argument."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = file.read_text().split("\0")
        except OSError:
            continue  # it has ended
        if argument in arguments and any(part.endswith("dist/src/cli.js") for part in arguments):
            found.append(" ".join(arguments))
    return found


def main() -> None:
    """Read the command line, run, print."""
    jobs = json.loads(sys.argv[1])
    # sockets lie in this folder, and their paths may have no more than 107 characters
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:
        # Ray only counts GPUs: there need be none
        cluster = ray.init(num_cpus=2, num_gpus=2, include_dashboard=True, log_to_driver=False, _temp_dir=folder)
        address = f"http://{cluster.dashboard_url}"
        results = [submit(address, arguments) for arguments in jobs]
        ray.shutdown()
    print(json.dumps(results))


main()
