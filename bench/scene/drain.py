"""TERM with requests that run, that wait, and that are about to come."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from typing import Any

from scene.figures import Figures, Scene
from scene.servers import Setup
from scene.stage import Play, Stage
from support.client import Connection, message

THREADS = 4
QUEUED = 4
SILENT = 2
KEPT = 2
EXIT_SECONDS = 40.0


def _play(stage: Stage) -> Figures:
    setup = Setup(threads=THREADS)
    with stage.running(setup) as play, ExitStack() as stack:

        def connect(count: int) -> list[Connection]:
            return [stack.enter_context(Connection(play.address, 8.0)) for _ in range(count)]

        kept, silent = connect(KEPT), connect(SILENT)
        # Whoever hears that the connection ends asks nothing more on it.
        kept = [one for one in kept if _stays(one.get("/fast", [("Connection", "keep-alive")]))]
        running = connect(stage.server.capacity(setup))
        _ask(running, "/sleep/1000")
        time.sleep(0.3)
        queued = connect(QUEUED)
        _ask(queued, "/fast")
        time.sleep(0.1)
        began = time.monotonic()
        play.server.send(signal.SIGTERM)
        time.sleep(0.05)
        _ask([*silent, *kept], "/fast")
        figures: Figures = {
            "running": _answered(running),
            "queued": _answered(queued),
            "silent": _answered(silent),
            "kept": _answered(kept),
        }
        status = _exit_status(play, began + EXIT_SECONDS)
        asked = len(running) + QUEUED + SILENT + len(kept)
        answered = sum(int(str(figure).partition(" ")[0]) for figure in figures.values())
        return {
            **figures,
            "unanswered": asked - answered,
            "exit status": "does not end" if status is None else status,
            "after s": time.monotonic() - began,
        }


def _stays(response: Any) -> bool:
    return bool(response.header("Connection", "").lower() != "close")


def _ask(connections: list[Any], target: str) -> None:
    for connection in connections:
        connection.send(message("GET", target))


def _answered(connections: list[Any]) -> str:
    return f"{sum(map(_is_answered, connections))} of {len(connections)}"


def _is_answered(connection: Any) -> bool:
    try:
        response = connection.receive()
    except (OSError, AssertionError):
        return False
    return bool(response.status == 200 and response.complete)


def _exit_status(play: Play, deadline: float) -> int | None:
    while (status := play.server.exit_status()) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return status


SCENES = (
    Scene(
        "drain",
        "TERM with requests running, queued, and about to come on silent and on kept connections",
        _play,
    ),
)
