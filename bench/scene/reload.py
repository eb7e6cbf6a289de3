"""HUP under load: a slow import, many in a row, broken code."""

from __future__ import annotations

import signal
import time
from typing import Any

from scene import figures
from scene.figures import Figures, Scene
from scene.servers import Setup
from scene.stage import Play, Stage, version_of

IMPORT_SECONDS = 2.0
RELOADS = 20
RELOADS_SECONDS = 10.0
# Within this the new code has to answer, or it counts as never.
NEW_CODE_SECONDS = 15.0
BROKEN_SECONDS = 4.0


def _slow_import(stage: Stage) -> Figures:
    with stage.running(Setup(), import_seconds=IMPORT_SECONDS) as play, play.load() as clients:
        time.sleep(stage.seconds / 2)
        before = clients.samples
        play.site.write("v2")
        began = time.perf_counter()
        play.server.send(signal.SIGHUP)
        first = clients.wait_for(_answers("v2"), NEW_CODE_SECONDS)
        # The other worker, and the old ones' last requests.
        time.sleep(IMPORT_SECONDS + 1)
        last = clients.samples
    samples = clients.samples
    longest, without = figures.longest(samples[len(before) :]), figures.longest(before)
    return {
        "requests": len(samples),
        "lost": len(figures.lost(samples)),
        "saw": figures.causes(samples),
        "max before ms": without,
        "max ms": longest,
        "more ms": longest - without if longest and without else None,
        "new code after s": first and first.began + first.latency - began,
        "old code at the end": sum(1 for sample in last[-50:] if _answers("v1")(sample)),
    }


def _often(stage: Stage) -> Figures:
    with stage.running(Setup()) as play:
        descriptors, processes = play.descriptors(), play.processes()
        with play.load() as clients:
            for number in range(RELOADS):
                play.site.write(f"w{number}")
                play.server.send(signal.SIGHUP)
                time.sleep(RELOADS_SECONDS / RELOADS)
            last = clients.wait_for(_answers(f"w{RELOADS - 1}"), NEW_CODE_SECONDS)
            _settled(play, processes)
        return {
            "requests": len(clients.samples),
            "lost": len(figures.lost(clients.samples)),
            "saw": figures.causes(clients.samples),
            "max ms": figures.longest(clients.samples),
            "last code": "yes" if last else "no",
            "more processes": _alive(play) and play.processes() - processes,
            "more descriptors": _alive(play) and play.descriptors() - descriptors,
        }


def _broken(stage: Stage) -> Figures:
    with stage.running(Setup()) as play, play.load() as clients:
        play.site.write_broken()
        play.server.send(signal.SIGHUP)
        time.sleep(BROKEN_SECONDS)
        old = clients.wait_for(_answers("v1"), 1.0)
        broken = len(figures.lost(clients.samples))
        play.site.write("v2")
        if play.server.exit_status() is None:
            play.server.send(signal.SIGHUP)
        new = clients.wait_for(_answers("v2"), BROKEN_SECONDS)
        status = play.server.exit_status()
    return {
        "requests": len(clients.samples),
        "lost": len(figures.lost(clients.samples)),
        "of these while broken": broken,
        "saw": figures.causes(clients.samples),
        "old code serves": "yes" if old else "no",
        "mended code serves": "yes" if new else "no",
        "server": "runs" if status is None else f"exited with {status}",
    }


def _answers(version: str) -> Any:
    return lambda sample: sample.status == 200 and version_of(sample) == version


def _alive(play: Play) -> bool | None:
    return True if play.server.exit_status() is None else None


def _settled(play: Play, processes: int) -> None:
    end = time.monotonic() + NEW_CODE_SECONDS
    while play.processes() > processes and time.monotonic() < end:
        time.sleep(0.1)


SCENES = (
    Scene("reload-slow", "HUP; the import of the new code takes 2 s", _slow_import),
    Scene("reload-often", "20 times HUP in 10 s, new code each time", _often),
    Scene("reload-broken", "HUP with code that raises; then mended, and HUP again", _broken),
)
