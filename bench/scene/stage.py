"""A server with the application of the scenes, and users who ask it."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers import HOST
from process import RunningServer, ServerFailed, free_port, tree

from scene.servers import MODULE, Server, Setup
from support import users

SITE = """
import time
time.sleep({import_seconds})
import scene_app
application = scene_app.{interface}({version!r})
"""
READY_SECONDS = 20.0
# A request without an answer for so long counts as lost.
PATIENCE_SECONDS = 10.0
FOREVER = 3600.0
# Each version of the code is younger than the one before, also when both are of the same second: Python
# tells by that whether what it has compiled is stale.
_ages = itertools.count(int(time.time()))


@dataclass(frozen=True)
class Stage:
    """Where a scene is played: which server, and for how long the usual load lasts."""

    server: Server
    program: Path
    seconds: float

    @contextmanager
    def running(
        self,
        setup: Setup,
        *,
        import_seconds: float = 0.0,
        prepare: Callable[[], object] | None = None,
    ) -> Iterator[Play]:
        """The server, once all of its workers answer."""
        with tempfile.TemporaryDirectory(prefix="scene-") as name:
            site = Site(Path(name), "asgi" if self.server.asgi else "wsgi", import_seconds)
            site.write("v1")
            port = free_port()
            command = self.server.command(self.program, port, setup)
            with RunningServer(command, port, None, site.folder, prepare) as server:
                play = Play(server, site, setup)
                play.wait_for_workers(READY_SECONDS)
                yield play


@dataclass(frozen=True)
class Site:
    """The module that the server imports."""

    folder: Path
    interface: str
    import_seconds: float

    def write(self, version: str) -> None:
        """Code that says that it is this version."""
        self._write(
            SITE.format(
                version=version, interface=self.interface, import_seconds=self.import_seconds
            )
        )

    def write_broken(self) -> None:
        """Code that cannot be imported."""
        self._write("raise RuntimeError('broken')\n")

    def _write(self, text: str) -> None:
        path = self.folder / f"{MODULE}.py"
        path.write_text(text)
        age = next(_ages)
        os.utime(path, (age, age))


@dataclass
class Play:
    """The running server, and what a scene does with it."""

    server: RunningServer
    site: Site
    setup: Setup

    @property
    def address(self) -> tuple[str, int]:
        return (HOST, self.server.port)

    def wait_for_workers(self, seconds: float) -> set[int]:
        """Wait until as many processes have answered as there are workers; their numbers."""
        end = time.monotonic() + seconds
        found: set[int] = set()
        while len(found) < self.setup.workers and time.monotonic() < end:
            # More at a time than a worker takes before another one gets any.
            samples = self.ask("/sleep/20", 4 * self.setup.workers)
            found |= {pid_of(sample) for sample in samples if sample.status == 200}
        if not found:
            raise ServerFailed(f"no answer: {self.server.last_words()}")
        return found

    def ask(self, target: str, count: int, patience: float = PATIENCE_SECONDS) -> list[Any]:
        """So many requests at once, each on a connection of its own."""
        plan = users.Plan(
            count, patience, always(target), keeps=False, timeout=patience, requests=1
        )
        return list(users.run(self.address, plan))

    @contextmanager
    def load(
        self,
        choose: Callable[[Any], str] | None = None,
        *,
        clients: int = 8,
        think: float = 0.02,
        patience: float = PATIENCE_SECONDS,
    ) -> Iterator[Clients]:
        """Users who ask while the context lasts: half of them keep their connections."""
        choose = choose or always("/fast")
        crowds = [
            users.Background(
                self.address,
                users.Plan(clients // 2, FOREVER, choose, think, keeps, timeout=patience),
            )
            for keeps in (True, False)
        ]
        with crowds[0], crowds[1]:
            yield Clients(crowds)

    def processes(self) -> int:
        """How many there are, the arbiter included."""
        return len(tree(self.server.pid))

    def descriptors(self) -> int:
        """How many files the arbiter has open."""
        return len(list(Path(f"/proc/{self.server.pid}/fd").iterdir()))


@dataclass
class Clients:
    """Users, and what they have got so far."""

    crowds: list[Any]

    @property
    def samples(self) -> list[Any]:
        """All requests that are over, the first to end first."""
        found = [sample for crowd in self.crowds for sample in crowd.samples]
        return sorted(found, key=lambda sample: sample.began + sample.latency)

    def wait_for(self, wanted: Callable[[Any], bool], seconds: float) -> Any | None:
        """The first request from now on that is as wanted; None if none came in time."""
        seen = len(self.samples)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := next(filter(wanted, self.samples[seen:]), None):
                return found
            time.sleep(0.01)
        return None


def always(target: str) -> Callable[[Any], str]:
    """Users who ask for nothing else."""
    return lambda _random: target


def version_of(sample: Any) -> str:
    """Which code answered."""
    return str(sample.body.decode().partition(" ")[0])


def pid_of(sample: Any) -> int:
    """Which worker answered."""
    return int(sample.body.partition(b" ")[2])
