"""One of two workers dies under load: kill -9, a segmentation fault, no memory."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from scene import figures
from scene.figures import NOT_APPLICABLE, Figures, Scene
from scene.servers import Setup
from scene.stage import Clients, Play, Stage, pid_of
from support import cgroup

IMPORT_SECONDS = 0.5
BACK_SECONDS = 15.0
MEMORY = 400 << 20
Death = tuple[Any, float]
"""What the client of the request saw that was in the worker, and when the worker died."""


def _some_take_time(random: Any) -> str:
    return "/sleep/30" if random.random() < 0.3 else "/fast"


def _play(stage: Stage, kill: Callable[[Play], Death], prepare: Any = None) -> Figures:
    running = stage.running(Setup(threads=2), import_seconds=IMPORT_SECONDS, prepare=prepare)
    with running as play, play.load(_some_take_time) as clients:
        time.sleep(1.0)
        before = {pid_of(sample) for sample in clients.samples if sample.status == 200}
        saw, died = kill(play)
        back = clients.wait_for(_from_another(before), BACK_SECONDS)
        time.sleep(1.0)
        log = play.server.log()
    return {**_told(clients, saw, died, back), "log names it": _named(log, kill)}


def _told(clients: Clients, saw: Any, died: float, back: Any | None) -> Figures:
    lost = figures.lost(clients.samples)
    after = [s for s in clients.samples if s.began + s.latency > died]
    back_after = back.began + back.latency - died if back else None
    return {
        "it saw": saw.lost or saw.status,
        "requests": len(clients.samples),
        "lost": len(lost),
        "saw": figures.causes(lost),
        "not 502": sum(1 for sample in [saw, *lost] if sample.status != 502),
        "begun later": sum(1 for sample in lost if sample.began > died),
        "max ms": figures.longest(after),
        "capacity back s": back_after,
        "beyond import s": back_after - IMPORT_SECONDS if back_after else None,
    }


def _named(log: str, kill: Callable[[Play], Death]) -> str:
    return "yes" if f"GET {TARGETS[kill]}" in log else "no"


def _from_another(before: set[int]) -> Callable[[Any], bool]:
    return lambda sample: sample.status == 200 and pid_of(sample) not in before


def _kill(play: Play) -> Death:
    """The worker that is at a request of our own."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(play.ask("/busy", 1)))
    thread.start()
    mark = play.site.folder / "busy.pid"
    while not mark.exists() or not mark.read_text():
        time.sleep(0.001)
    died = time.perf_counter()
    os.kill(int(mark.read_text()), signal.SIGKILL)
    thread.join()
    return found[0], died


def _segfault(play: Play) -> Death:
    died = time.perf_counter()
    return play.ask("/segfault", 1)[0], died


def _no_memory(play: Play) -> Death:
    (sample,) = play.ask("/memory", 1)
    # When its client saw it: until then it was still filling the memory.
    return sample, sample.began + sample.latency


TARGETS = {_kill: "/busy", _segfault: "/segfault", _no_memory: "/memory"}


def _in_a_group(stage: Stage) -> Figures:
    with _group() as procs:
        if procs is None:
            return NOT_APPLICABLE
        return _play(stage, _no_memory, lambda: procs.write_text(str(os.getpid())))


@contextmanager
def _group() -> Iterator[Any]:
    procs = cgroup.limited(MEMORY)
    yield procs
    if procs is None:
        return
    end = time.monotonic() + BACK_SECONDS
    while procs.read_text() and time.monotonic() < end:
        time.sleep(0.05)
    procs.parent.rmdir()


SCENES = (
    Scene("crash-kill", "kill -9 of one of 2 workers", lambda stage: _play(stage, _kill)),
    Scene("crash-segfault", "a segmentation fault", lambda stage: _play(stage, _segfault)),
    Scene("crash-memory", "more memory than its cgroup has", _in_a_group),
)
