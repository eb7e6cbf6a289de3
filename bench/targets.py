"""What oxicorn promises about these figures, held against what was measured."""

from __future__ import annotations

from dataclasses import dataclass

from peers import (
    FLOOR,
    GRANIAN_THREADS,
    GUNICORN_GTHREAD,
    OXICORN,
    OXICORN_BARE,
    OXICORN_GTHREAD,
    OXICORN_GUARDED,
)
from results import Results

# CPU a request of the hello workload, as a share of the other server's.
HELLO_CPU = {"bjoern": 0.75, "freastal": 0.9, "granian": 0.45, "gunicorn": 0.035, FLOOR: 1.3}
# The same for ASGI: of the cheaper of two, and of each of the others.
ASGI_HELLO_BEST = (("freastal-asgi", "peregrine-asgi"), 0.9)
ASGI_HELLO_CPU = {"granian-asgi": 0.45, "uvicorn": 0.27, "gunicorn-asgi": 0.2}
# WebSocket echo: messages a second, as a multiple of the best that uvicorn does with one of its protocols.
WEBSOCKET_RATE = 1.5
# CPU a request of hello with the access log on, as a share of itself without one.
ACCESS_LOG_CPU = 1.15
# The same in two workers with everything on that guards requests, as a share of itself with all that off.
GUARDS_CPU = 1.05
# The same with 16 threads, of other servers and of our own without threads.
THREADS_CPU = {OXICORN: 1.15, GRANIAN_THREADS: 0.5, GUNICORN_GTHREAD: 0.06}
# The workload that waits: requests a second at least, and the slowest in a hundred at most.
SLEEP_RATE = 1400.0
SLEEP_P99_MS = 15.0
# The ceiling is the same for all, and a round's rate varies by this much.
SLEEP_BEST_PEER = 1.01
# CPU a request of every workload, as a share of the cheapest correct peer's.
BEST_PEER_CPU = 1.0
# Peak memory of the worker in the hello workload, as a share of Gunicorn's.
GUNICORN_RSS = 1.0


@dataclass(frozen=True)
class Target:
    """One promise and how it stands."""

    text: str
    measured: float
    limit: float

    @property
    def met(self) -> bool:
        return self.measured <= self.limit


def targets(results: Results) -> list[Target]:
    """Every promise that these results can be held against."""
    found = [
        _share(results, "hello", "cpu_us", other, limit, f"hello: CPU of {other}")
        for other, limit in (HELLO_CPU | ASGI_HELLO_CPU).items()
    ]
    best, limit = ASGI_HELLO_BEST
    found.append(_share_of_cheaper(results, best, limit))
    for workload in results.workloads:
        if best := results.best_peer(workload.name):
            text = f"{workload.name}: CPU of the best peer, {best}"
            found.append(_share(results, workload.name, "cpu_us", best, BEST_PEER_CPU, text))
    if logged := _cost_of_the_access_log(results):
        found.append(logged)
    if guarded := results.share("hello", "cpu_us", OXICORN_GUARDED, OXICORN_BARE):
        text = f"hello in {OXICORN_GUARDED}: CPU of {OXICORN_BARE}"
        found.append(Target(text, guarded, GUARDS_CPU))
    found += _threads(results)
    text = "hello: peak memory of gunicorn"
    found.append(_share(results, "hello", "worker_peak_rss_mib", "gunicorn", GUNICORN_RSS, text))
    return [target for target in found if target is not None]


def _threads(results: Results) -> list[Target]:
    def figure(workload: str, name: str, server: str = OXICORN_GTHREAD) -> float | None:
        return results.figure(workload, server, name)

    found = []
    for other, limit in THREADS_CPU.items():
        if share := results.share("hello", "cpu_us", OXICORN_GTHREAD, other):
            text = f"hello in {OXICORN_GTHREAD}: CPU of {other}"
            found.append(Target(text, share, limit))
    rate, p99 = figure("sleep", "requests_a_second"), figure("sleep", "p99_ms")
    if rate and p99:
        where = f"sleep in {OXICORN_GTHREAD}"
        found.append(Target(f"{where}: {SLEEP_RATE:,.0f} req/s, of ours", SLEEP_RATE / rate, 1.0))
        found.append(Target(f"{where}: p99 of {SLEEP_P99_MS:.0f} ms", p99 / SLEEP_P99_MS, 1.0))
        for other in (GRANIAN_THREADS, GUNICORN_GTHREAD):
            if theirs := figure("sleep", "requests_a_second", other):
                text = f"{where}: req/s of {other}, of ours"
                found.append(Target(text, theirs / rate, SLEEP_BEST_PEER))
    return found


def _cost_of_the_access_log(results: Results) -> Target | None:
    logged = results.share("hello", "cpu_us", "oxicorn-log", OXICORN)
    if logged is None:
        return None
    return Target("hello: with the access log, of without", logged, ACCESS_LOG_CPU)


def _share_of_cheaper(results: Results, others: tuple[str, ...], limit: float) -> Target | None:
    shares = {other: results.share("hello", "cpu_us", OXICORN, other) for other in others}
    timed = {other: share for other, share in shares.items() if share}
    if not timed:
        return None
    # The cheaper it is, the larger is oxicorn's share of it.
    other = max(timed, key=lambda name: timed[name])
    return _share(results, "hello", "cpu_us", other, limit, f"hello: CPU of {other}, the cheaper")


def _share(
    results: Results, workload: str, figure: str, other: str, limit: float, text: str
) -> Target | None:
    share = results.share(workload, figure, OXICORN, other)
    return Target(text, share, limit) if share else None
