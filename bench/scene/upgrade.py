"""USR2, then TERM to the old arbiter, under load."""

from __future__ import annotations

import signal
import time

from scene import figures
from scene.figures import NOT_APPLICABLE, Figures, Scene
from scene.servers import Setup
from scene.stage import Stage, pid_of, version_of

NEW_SECONDS = 15.0


def _play(stage: Stage) -> Figures:
    if not stage.server.upgrades:
        return NOT_APPLICABLE
    with stage.running(Setup()) as play, play.load() as clients:
        time.sleep(1.0)
        play.site.write("v2")
        play.server.send(signal.SIGUSR2)
        new = clients.wait_for(lambda s: s.status == 200 and version_of(s) == "v2", NEW_SECONDS)
        time.sleep(1.0)
        began = time.monotonic()
        play.server.send(signal.SIGTERM)
        while (status := play.server.exit_status()) is None:
            if time.monotonic() > began + NEW_SECONDS:
                break
            time.sleep(0.01)
        took = time.monotonic() - began
        time.sleep(2.0)
    last = {pid_of(sample) for sample in clients.samples[-100:] if sample.status == 200}
    return {
        "requests": len(clients.samples),
        "lost": len(figures.lost(clients.samples)),
        "saw": figures.causes(clients.samples),
        "max ms": figures.longest(clients.samples),
        "new code serves": "yes" if new else "no",
        "old arbiter's status": status,
        "after s": took,
        "workers at the end": len(last),
    }


SCENES = (Scene("upgrade", "USR2, then TERM to the old arbiter", _play),)
