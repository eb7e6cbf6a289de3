"""One round: start a server, or two; check the answer, warm up, load, read the figures."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import load
from check import Correct, Wrong, check
from peers import Server, Site
from process import TICKS_A_SECOND, RunningServer, ServerFailed, Usage, free_port
from workloads import Workload

WARM_UP_SECONDS = 1


@dataclass(frozen=True)
class Conditions:
    """What stays the same over the whole comparison."""

    seconds: int
    connections: int
    server_core: int
    client_core: int


@dataclass(frozen=True)
class Round:
    """The figures of one server in one round."""

    requests_a_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """User and system time of the server's whole process tree, a request."""
    system_us: float
    server_busy: float
    """CPU seconds of the server in a second; well below 1 means that wrk was the limit."""
    worker_peak_rss_mib: float
    foreign_cpu: float
    """Share of the two cores that neither a server nor wrk used: other people's noise."""
    keeps_alive: bool
    answer_length: int
    complaint: str


def run_round(server: Server, program: Path, workload: Workload, conditions: Conditions) -> Round:
    """Raises `Wrong`, `ServerFailed` or `LoadFailed` if there is nothing to time."""
    with _ready(server, program, workload, conditions) as ready:
        (figures,) = _loaded([ready], workload, conditions)
    return figures


def run_pair(
    ours: tuple[Server, Path],
    theirs: tuple[Server, Path],
    workload: Workload,
    conditions: Conditions,
) -> tuple[Round, Round]:
    """Two servers at the same time on the same core, loaded alike: what disturbs one disturbs the other as much.

    Raises as `run_round` does.
    """
    with (
        _named(ours[0], _ready(*ours, workload, conditions)) as first,
        _named(theirs[0], _ready(*theirs, workload, conditions)) as second,
    ):
        own, other = _loaded([first, second], workload, conditions)
    return own, other


@dataclass(frozen=True)
class _Ready:
    """A server that runs and has answered rightly."""

    running: RunningServer
    correct: Correct


@contextmanager
def _ready(
    server: Server, program: Path, workload: Workload, conditions: Conditions
) -> Iterator[_Ready]:
    site = Site(program, free_port(), workload)
    with RunningServer(server.command(site), site.port, conditions.server_core) as running:
        yield _Ready(running, check(workload, site.port))


@contextmanager
def _named(server: Server, ready: AbstractContextManager[_Ready]) -> Iterator[_Ready]:
    """The same, with the server's name before what it does wrong at its start."""
    with ExitStack() as stack:
        try:
            entered = stack.enter_context(ready)
        except (Wrong, ServerFailed) as error:
            raise type(error)(f"{server.name}: {error}") from error
        yield entered


def _loaded(servers: list[_Ready], workload: Workload, conditions: Conditions) -> list[Round]:
    """Load for all of them at once: first a second that does not count."""
    cores = (conditions.server_core, conditions.client_core)
    ports = [server.running.port for server in servers]
    connections = workload.connections or conditions.connections
    load.send(workload, ports, conditions.client_core, connections, WARM_UP_SECONDS)
    before = [server.running.usage() for server in servers]
    busy, client, started = _busy_seconds(cores), _client_seconds(), time.monotonic()
    seen = load.send(workload, ports, conditions.client_core, connections, conditions.seconds)
    elapsed = time.monotonic() - started
    after = [server.running.usage() for server in servers]
    used = sum(now.cpu - then.cpu for then, now in zip(before, after, strict=True))
    foreign = (_busy_seconds(cores) - busy) - (_client_seconds() - client) - used
    noise = max(0.0, foreign / (elapsed * len(cores)))
    return [
        _figures(server, *figures, elapsed, noise, workload)
        for server, *figures in zip(servers, seen, before, after, strict=True)
    ]


def _figures(
    server: _Ready,
    seen: load.Load,
    before: Usage,
    after: Usage,
    elapsed: float,
    noise: float,
    workload: Workload,
) -> Round:
    if seen.requests == 0:
        raise ServerFailed(f"no request answered under load: {server.running.last_words()}")
    cpu, system = after.cpu - before.cpu, after.system - before.system
    complaints = [seen.complaint(workload)]
    if after.pids != before.pids:
        complaints.append("processes came or went")
    return Round(
        requests_a_second=seen.requests / (seen.microseconds / 1e6),
        p50_ms=seen.p50 / 1000,
        p99_ms=seen.p99 / 1000,
        cpu_us=cpu * 1e6 / seen.requests,
        system_us=system * 1e6 / seen.requests,
        server_busy=cpu / elapsed,
        worker_peak_rss_mib=after.worker_peak_rss_kib / 1024,
        foreign_cpu=noise,
        keeps_alive=server.correct.keeps_alive,
        answer_length=server.correct.answer_length,
        complaint=", ".join(filter(None, complaints)),
    )


def _busy_seconds(cores: tuple[int, ...]) -> float:
    """Time that the cores were not idle, time stolen by the hypervisor included."""
    names = {f"cpu{core}" for core in cores}
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name in names:
            # proc_stat(5): user nice system idle iowait irq softirq steal; guests are in user.
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            ticks += user + nice + system + irq + softirq + steal
    return ticks / TICKS_A_SECOND


def _client_seconds() -> float:
    """CPU time of wrk: it is a child that was waited for, as the servers are not yet."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def choose_cores() -> tuple[int, int]:
    """One for the server, one for wrk: the last two, as the first serves most interrupts."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise load.LoadFailed("two cores are needed: one for the server, one for wrk")
    return cores[-1], cores[-2]
