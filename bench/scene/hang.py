"""Requests that never end, twice as many as the workers can hold, and what becomes of all others."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

from scene import figures, servers
from scene.figures import Figures, Scene
from scene.servers import Setup
from scene.stage import Play, Stage, always

TIMEOUT = 2
THREADS = 4
# Clients give up after this; a server that has answered nobody by then never will.
PATIENCE = 12.0
# A request among the others that takes longer was held up by the hung ones.
HELD_UP_SECONDS = 0.5
TASKS = 8


def _play(stage: Stage, target: str, times: int = 0) -> Figures:
    setup = Setup(timeout=TIMEOUT, threads=THREADS)
    count = times or 2 * stage.server.capacity(setup)
    with stage.running(setup) as play:
        with play.load(always("/fast"), clients=4, think=0.05, patience=PATIENCE) as clients:
            time.sleep(1.0)
            began = time.perf_counter()
            hung = _hang(play, target, count)
            time.sleep(1.0)
        log = play.server.log()
    others = [s for s in clients.samples if s.began + s.latency > began]
    function = "hang_in_a_task" if stage.server.asgi and target == "/hang" else "hang_here"
    return {
        "hung": count,
        "saw": _outcomes(hung),
        "not 504": sum(1 for sample in hung if sample.status != 504),
        "slowest s": max(sample.latency for sample in hung),
        "others lost": len(figures.lost(others)),
        "they saw": figures.causes(others),
        "others again after s": _again(others, began),
        "target in log": "yes" if f"GET {target} " in log else "no",
        "line in log": "yes" if f"in {function}" in log else "no",
    }


def _hang(play: Play, target: str, count: int) -> list[Any]:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(play.ask(target, count, PATIENCE)))
    thread.start()
    thread.join()
    return found


def _outcomes(samples: list[Any]) -> str:
    seen = Counter(sample.lost or str(sample.status) for sample in samples)
    return ", ".join(f"{count} {what}" for what, count in seen.most_common())


def _again(others: list[Any], began: float) -> float | str:
    """Seconds until the last of the others that was held up had its answer."""
    held_up = [s for s in others if s.latency > HELD_UP_SECONDS or s.status != 200]
    if any(sample.lost == "silent" for sample in held_up):
        return "never"
    return max((s.began + s.latency - began for s in held_up), default=0.0)


SCENES = (
    Scene(
        "hang",
        "2 workers, timeout 2, requests that never end: twice as many as run at a time",
        lambda stage: _play(stage, "/hang"),
    ),
    Scene(
        "hang-tasks",
        "the same with ASGI: 8 tasks that wait forever",
        lambda stage: _play(stage, "/hang", TASKS),
        servers.ASGI,
    ),
    Scene(
        "hang-loop",
        "the same with ASGI: 4 requests that block the loop",
        lambda stage: _play(stage, "/block", 4),
        servers.ASGI,
    ),
)
