"""wrk: the requests of one round, and what it saw."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers import HOST
from workloads import Workload

SCRIPT = Path(__file__).resolve().with_name("load.lua")
# What wrk may take beyond its duration before it counts as hung.
GRACE_SECONDS = 20


class LoadFailed(Exception):
    """wrk is missing or did not finish."""


@dataclass(frozen=True)
class Load:
    """What the client counted; times in microseconds."""

    requests: int
    bytes: int
    microseconds: int
    p50: float
    p99: float
    max: float
    connect: int
    read: int
    write: int
    timeout: int
    status: int
    """Answers that are neither 2xx nor 3xx."""

    def complaint(self, workload: Workload) -> str:
        """What went wrong in this round; empty if nothing did."""
        errors = {name: getattr(self, name) for name in ("connect", "read", "write", "timeout")}
        said = [f"{count} {name} errors" for name, count in errors.items() if count]
        expected_refusals = self.requests if workload.status >= 400 else 0
        if self.status != expected_refusals:
            said.append(f"{self.status} answers with a 4xx or 5xx status")
        if self.bytes < self.requests * len(workload.body):
            said.append("answers too short")
        return ", ".join(said)


def require_wrk() -> None:
    """Fail early and say how to get it."""
    if shutil.which("wrk") is None:
        raise LoadFailed("wrk is not installed: apt-get install wrk")


def send(
    workload: Workload, ports: list[int], core: int, connections: int, seconds: int
) -> list[Load]:
    """For each port one wrk with one thread, all at once for so many seconds, and all on one core that is theirs."""
    running: list[subprocess.Popen[str]] = []
    try:
        for port in ports:
            running.append(_start(workload, port, core, connections, seconds))
        return [_finish(process, seconds) for process in running]
    finally:
        for process in running:
            with process:
                process.kill()


def _start(
    workload: Workload, port: int, core: int, connections: int, seconds: int
) -> subprocess.Popen[str]:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT)]
    for name, value in workload.headers:
        command += ["-H", f"{name}: {value}"]
    command += [f"http://{HOST}:{port}{workload.target}", "--"]
    command += [workload.method, str(len(workload.upload))]
    command += ["varied"] if workload.varied else []
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )


def _finish(process: subprocess.Popen[str], seconds: int) -> Load:
    try:
        output, errors = process.communicate(timeout=seconds + GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        raise LoadFailed(f"wrk did not finish {GRACE_SECONDS} s after its time") from None
    results = [line for line in output.splitlines() if line.startswith("RESULT ")]
    if not results:
        raise LoadFailed(f"wrk: {(errors or output).strip()[-200:]}")
    figures: dict[str, Any] = json.loads(results[0].removeprefix("RESULT "))
    return Load(**figures)
