"""Workers that are replaced after every forty requests."""

from __future__ import annotations

import time
from typing import Any

from scene import figures
from scene.figures import NOT_APPLICABLE, Figures, Scene
from scene.servers import Setup
from scene.stage import Stage, always

IMPORT_SECONDS = 0.5
MAX_REQUESTS = 40


def _play(stage: Stage, target: str) -> Figures:
    if not stage.server.recycles:
        return NOT_APPLICABLE
    without = _samples(stage, target, Setup())
    recycled = _samples(stage, target, Setup(max_requests=MAX_REQUESTS))
    rate, rate_without = (_served(samples) / stage.seconds for samples in (recycled, without))
    return {
        "requests": len(recycled),
        "lost": len(figures.lost(recycled)),
        "saw": figures.causes(recycled),
        "workers": len({sample.body for sample in recycled if sample.status == 200}),
        "served/s": rate,
        "without": rate_without,
        "share": rate / rate_without,
        "p99 ms": figures.quantile(recycled, 0.99),
        "p99 without": figures.quantile(without, 0.99),
        "max ms": figures.longest(recycled),
        "max without": figures.longest(without),
    }


def _samples(stage: Stage, target: str, setup: Setup) -> list[Any]:
    with (
        stage.running(setup, import_seconds=IMPORT_SECONDS) as play,
        play.load(always(target), think=0.0) as clients,
    ):
        time.sleep(stage.seconds)
        return clients.samples


def _served(samples: list[Any]) -> int:
    return sum(1 for sample in samples if sample.status == 200)


SCENES = (
    Scene(
        "recycle",
        "--max-requests 40, import of 0.5 s, 8 clients without pauses, requests of 5 ms",
        lambda stage: _play(stage, "/sleep/5"),
    ),
    Scene(
        "recycle-fast",
        "the same with requests that take no time",
        lambda stage: _play(stage, "/fast"),
    ),
)
