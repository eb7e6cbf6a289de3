"""How long short requests wait beside long ones."""

from __future__ import annotations

import threading
import time
from typing import Any

from scene import figures, servers
from scene.figures import Figures, Scene
from scene.servers import Setup
from scene.stage import Play, Stage, always, users

# An answer beyond this counts as late.
LATE_MS = 50.0
SERVERS = ("oxicorn", servers.NO_HANDOFF, "gunicorn", "gunicorn-gthread", "granian")


def _one_in_ten(random: Any) -> str:
    return "/sleep/50" if random.random() < 0.1 else "/fast"


def _mixed(stage: Stage) -> Figures:
    with stage.running(Setup(workers=2)) as play:
        plan = users.Plan(users=16, seconds=stage.seconds, choose=_one_in_ten, think=0.06)
        return _told(stage, users.run(play.address, plan))


def _busy(stage: Stage, keeps: bool) -> Figures:
    with stage.running(Setup(workers=4)) as play:
        beside = threading.Thread(target=_keep_busy, args=(play, stage.seconds + 1))
        beside.start()
        time.sleep(0.5)
        plan = users.Plan(
            users=10, seconds=stage.seconds, choose=always("/fast"), think=0.02, keeps=keeps
        )
        samples = users.run(play.address, plan)
        beside.join()
        return _told(stage, samples)


def _keep_busy(play: Play, seconds: float) -> None:
    users.run(play.address, users.Plan(users=2, seconds=seconds, choose=always("/sleep/300")))


def _told(stage: Stage, samples: list[Any]) -> Figures:
    fast = [sample for sample in samples if sample.target == "/fast"]
    late = sum(1 for sample in fast if 1000 * sample.latency > LATE_MS)
    return {
        "served/s": len(fast) / stage.seconds,
        "mean ms": figures.mean(fast),
        "p50 ms": figures.quantile(fast, 0.5),
        "p99 ms": figures.quantile(fast, 0.99),
        "max ms": figures.longest(fast),
        "late %": 100 * late / max(1, len(fast)),
        "lost": len(figures.lost(samples)),
    }


SCENES = (
    Scene(
        "dispatch-mixed",
        "16 kept connections, 2 workers, one request in ten takes 50 ms: the others",
        _mixed,
        SERVERS,
    ),
    Scene(
        "dispatch-busy-kept",
        "4 workers, 2 kept busy by calls of 300 ms: short requests on kept connections",
        lambda stage: _busy(stage, keeps=True),
        SERVERS,
    ),
    Scene(
        "dispatch-busy-new",
        "4 workers, 2 kept busy by calls of 300 ms: short requests on new connections",
        lambda stage: _busy(stage, keeps=False),
        SERVERS,
    ),
)
