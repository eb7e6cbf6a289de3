"""One round: start a server, check its answer, warm it up, load it, read its figures."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

import load
from check import Correct, check
from peers import Server, Site
from process import TICKS_A_SECOND, RunningServer, ServerFailed, free_port
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
    """Share of the two cores that neither the server nor wrk used: other people's noise."""
    keeps_alive: bool
    answer_length: int
    complaint: str


def run_round(server: Server, program: Path, workload: Workload, conditions: Conditions) -> Round:
    """Raises `Wrong`, `ServerFailed` or `LoadFailed` if there is nothing to time."""
    site = Site(program, free_port(), workload)
    with RunningServer(server.command(site), site.port, conditions.server_core) as running:
        correct = check(workload, site.port)
        load.send(
            workload,
            site.port,
            conditions.client_core,
            workload.connections or conditions.connections,
            WARM_UP_SECONDS,
        )
        return _timed(running, workload, correct, conditions)


def _timed(
    running: RunningServer, workload: Workload, correct: Correct, conditions: Conditions
) -> Round:
    cores = (conditions.server_core, conditions.client_core)
    before, busy_before, client_before = running.usage(), _busy_seconds(cores), _client_seconds()
    started = time.monotonic()
    seen = load.send(
        workload,
        running.port,
        conditions.client_core,
        workload.connections or conditions.connections,
        conditions.seconds,
    )
    elapsed = time.monotonic() - started
    after, busy_after, client_after = running.usage(), _busy_seconds(cores), _client_seconds()
    if seen.requests == 0:
        raise ServerFailed(f"no request answered under load: {running.last_words()}")
    system = after.system - before.system
    cpu = after.user - before.user + system
    foreign = (busy_after - busy_before) - cpu - (client_after - client_before)
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
        foreign_cpu=max(0.0, foreign / (elapsed * len(cores))),
        keeps_alive=correct.keeps_alive,
        answer_length=correct.answer_length,
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
