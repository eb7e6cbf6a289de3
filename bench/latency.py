"""How long short requests wait beside long ones, and what happens beyond the capacity.

`python bench/latency.py [SCENARIO …] [--servers NAME …]`: a few seconds for each scenario and server, all in
one run; see README.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peers import HOST, ROOT, VENVS
from process import free_port

sys.path.insert(0, str(ROOT / "tests"))
from support import users

APPS = ROOT / "tests" / "apps"
APPLICATION = "dispatch:application"
OXICORN = ROOT / ".venv" / "bin" / "oxicorn"
START_SECONDS = 20.0
# Until every worker has loaded the application.
SETTLE_SECONDS = 1.0
# An answer beyond this counts as late.
LATE_MS = 50.0


def _gunicorn(port: int, workers: int) -> list[str]:
    command = str(VENVS / "gunicorn" / "bin" / "gunicorn")
    fixed = ["--no-control-socket", "--log-level", "warning"]
    return [command, "-w", str(workers), "-b", f"{HOST}:{port}", *fixed, APPLICATION]


def _gthread(port: int, workers: int) -> list[str]:
    # What Gunicorn offers for connections that stay open, with no more concurrency than the others have.
    options = ["-k", "gthread", "--threads", "1", "--keep-alive", "75"]
    return [*_gunicorn(port, workers)[:-1], *options, APPLICATION]


def _granian(port: int, workers: int) -> list[str]:
    return [
        str(VENVS / "granian" / "bin" / "granian"),
        *("--interface", "wsgi", "--http", "1", "--no-ws", "--log-level", "warning"),
        *("--workers", str(workers), "--runtime-threads", "1", "--blocking-threads", "1"),
        *("--host", HOST, "--port", str(port), APPLICATION),
    ]


def _oxicorn(*options: str) -> Callable[[int, int], list[str]]:
    def command(port: int, workers: int) -> list[str]:
        bind = ["-w", str(workers), "-b", f"{HOST}:{port}", "--log-level", "error"]
        return [str(OXICORN), *bind, *options, APPLICATION]

    return command


SERVERS: dict[str, Callable[[int, int], list[str]]] = {
    "oxicorn": _oxicorn(),
    "oxicorn --no-handoff": _oxicorn("--no-handoff"),
    "oxicorn --max-queue 4": _oxicorn("--max-queue", "4"),
    "gunicorn": _gunicorn,
    "gunicorn-gthread": _gthread,
    "granian": _granian,
}


@dataclass(frozen=True)
class Scenario:
    """A load, and how many workers bear it."""

    about: str
    workers: int
    plan: users.Plan
    beside: users.Plan | None = None
    """Users who are there as well and whose figures do not count."""
    counted: str = "/fast"
    """Target of the requests whose latency is told."""


def _one_in_ten(random: object) -> str:
    return "/sleep/50" if random.random() < 0.1 else "/fast"  # type: ignore[attr-defined]


def _always(target: str) -> Callable[[object], str]:
    return lambda _random: target


def scenarios(seconds: float) -> dict[str, Scenario]:
    """All of them, each that many seconds long."""
    found = {
        "mixed": Scenario(
            "16 kept connections, 2 workers, one request in ten takes 50 ms",
            workers=2,
            plan=users.Plan(users=16, seconds=seconds, choose=_one_in_ten, think=0.06),
        )
    }
    for name, keeps in (("kept", True), ("new", False)):
        found[f"busy-{name}"] = Scenario(
            f"4 workers, 2 of them kept busy by calls of 300 ms; {name} connections",
            workers=4,
            plan=users.Plan(
                users=10, seconds=seconds, choose=_always("/fast"), think=0.02, keeps=keeps
            ),
            beside=users.Plan(users=2, seconds=seconds + 1, choose=_always("/sleep/300")),
        )
        found[f"overload-{name}"] = Scenario(
            f"2 workers, calls of 50 ms, three times as many as they can serve; {name} connections",
            workers=2,
            plan=users.Plan(
                users=60, seconds=2 * seconds, choose=_always("/sleep/50"), think=0.45, keeps=keeps
            ),
            counted="/sleep/50",
        )
    return found


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """The server, from when it listens."""
    process = subprocess.Popen(
        command,
        cwd=APPS,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + START_SECONDS
        while not _answers(port):
            if time.monotonic() > end or process.poll() is not None:
                raise RuntimeError(f"{command[0]} did not start")
            time.sleep(0.05)
        time.sleep(SETTLE_SECONDS)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def _answers(port: int) -> bool:
    try:
        plan = users.Plan(users=1, seconds=0.01, choose=_always("/fast"), keeps=False, timeout=1.0)
        return any(sample.status == 200 for sample in users.run((HOST, port), plan))
    except OSError:
        return False


def measure(command: Callable[[int, int], list[str]], scenario: Scenario) -> list[users.Sample]:
    """Start a server, let the users loose on it."""
    port = free_port()
    with running(command(port, scenario.workers), port):
        beside = None
        if scenario.beside is not None:
            beside = threading.Thread(target=users.run, args=((HOST, port), scenario.beside))
            beside.start()
            time.sleep(0.5)
        samples: list[users.Sample] = users.run((HOST, port), scenario.plan)
        if beside is not None:
            beside.join()
    return samples


def line(name: str, scenario: Scenario, samples: list[users.Sample]) -> str:
    """One row of a table."""
    served = users.latencies(samples, scenario.counted)
    refused = users.latencies(samples, scenario.counted, status=503)
    lost = sum(1 for sample in samples if sample.status not in (200, 503))
    late = 100 * sum(1 for latency in served if latency > LATE_MS) / max(1, len(served))
    figures = [f"{len(served) / scenario.plan.seconds:.0f}"]
    figures += [f"{users.mean(served):.2f}"] if served else ["-"]
    figures += [f"{users.quantile(served, q):.2f}" if served else "-" for q in (0.5, 0.99, 1.0)]
    figures += [f"{late:.1f} %", str(len(refused))]
    figures += [f"{users.quantile(refused, q):.2f}" if refused else "-" for q in (0.5, 0.99)]
    figures += [str(lost)]
    return f"| {name} | " + " | ".join(figures) + " |"


def main() -> None:
    """Run what was asked for and print a table for each scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = list(scenarios(1.0))
    parser.add_argument("scenario", nargs="*", default=names, help=", ".join(names))
    parser.add_argument("--servers", nargs="+", default=list(SERVERS), help=", ".join(SERVERS))
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--oxicorn", type=Path, default=OXICORN, help="the command to measure")
    arguments = parser.parse_args()
    for name in arguments.scenario:
        scenario = scenarios(arguments.seconds)[name]
        print(f"\n{name}: {scenario.about}. Times in ms.\n")
        print("| server | served/s | mean | p50 | p99 | max | late | 503 | p50 | p99 | lost |")
        print("| --- " * 11 + "|")
        for server in arguments.servers:
            if ("--max-queue" in server) != name.startswith("overload") and "oxicorn " in server:
                continue
            command = SERVERS[server]

            def given(
                port: int, workers: int, command: Callable[[int, int], list[str]] = command
            ) -> list[str]:
                words = command(port, workers)
                return [str(arguments.oxicorn) if word == str(OXICORN) else word for word in words]

            if not Path(given(1, 1)[0]).exists():
                print(f"| {server} | not installed (make bench installs it) |")
                continue
            print(line(server, scenario, measure(given, scenario)), flush=True)


if __name__ == "__main__":
    main()
