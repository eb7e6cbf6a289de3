"""The servers of the scenes, and how each is told what a scene asks for.

Every server has what its documentation offers against what happens there: a limit for requests, the
respawn of workers, a kept connection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import peers
import peers_asgi
from peers import HOST

MODULE = "scene_site"
APPLICATION = f"{MODULE}:application"


@dataclass(frozen=True)
class Setup:
    """What a scene asks for; a server takes of it what it knows."""

    workers: int = 2
    threads: int = 1
    """Of each worker, in servers with threads."""
    timeout: int = 30
    """Seconds a request may take."""
    max_requests: int = 0
    """After which a worker is replaced; 0: never."""


@dataclass(frozen=True)
class Server:
    """A server with the settings that make it what its name says."""

    name: str
    command: Callable[[Path, int, Setup], list[str]]
    installed: peers.Server
    threaded: bool = False
    asgi: bool = False
    upgrades: bool = False
    """USR2 starts a second arbiter."""
    recycles: bool = False
    """A worker can be replaced after so many requests."""

    def capacity(self, setup: Setup) -> int:
        """How many WSGI requests it runs at a time."""
        return setup.workers * (setup.threads if self.threaded else 1)


def _oxicorn(*options: str) -> Callable[[Path, int, Setup], list[str]]:
    def command(program: Path, port: int, setup: Setup) -> list[str]:
        words = [str(program), "-b", f"{HOST}:{port}", "--pid", "pid"]
        return [*words, *_gunicorn_words(setup, options), *options, APPLICATION]

    return command


def _gunicorn(*options: str) -> Callable[[Path, int, Setup], list[str]]:
    def command(bin_folder: Path, port: int, setup: Setup) -> list[str]:
        words = [str(bin_folder / "gunicorn"), "-b", f"{HOST}:{port}", "--no-control-socket"]
        return [*words, *_gunicorn_words(setup, options), *options, APPLICATION]

    return command


def _gunicorn_words(setup: Setup, options: tuple[str, ...]) -> list[str]:
    words = ["-w", str(setup.workers), "--timeout", str(setup.timeout)]
    words += ["--max-requests", str(setup.max_requests)]
    return [*words, "--threads", str(setup.threads)] if "gthread" in options else words


def _granian(interface: str) -> Callable[[Path, int, Setup], list[str]]:
    # It has no limit for a request. Without the two options about respawning it ends when a worker dies.
    def command(bin_folder: Path, port: int, setup: Setup) -> list[str]:
        words = [str(bin_folder / "granian"), "--interface", interface, "--http", "1", "--no-ws"]
        words += ["--workers", str(setup.workers), "--runtime-threads", "1"]
        words += ["--respawn-failed-workers", "--respawn-interval", "0.1"]
        words += ["--blocking-threads", "1"] if interface == "wsgi" else []
        return [*words, "--host", HOST, "--port", str(port), APPLICATION]

    return command


def _installed(name: str) -> peers.Server:
    known = [*peers.SERVERS, *peers_asgi.SERVERS]
    return next(server for server in known if server.name == name)


_OXICORN, _GUNICORN, _GRANIAN = map(_installed, ("oxicorn", "gunicorn", "granian"))
# What Gunicorn offers for connections that stay open.
_GTHREAD = ("-k", "gthread", "--keep-alive", "75")
OXICORN = "oxicorn"
NO_HANDOFF = "oxicorn --no-handoff"
MAX_QUEUE = "oxicorn --max-queue 4"

SERVERS = {
    server.name: server
    for server in (
        Server(OXICORN, _oxicorn(), _OXICORN, upgrades=True, recycles=True),
        Server(NO_HANDOFF, _oxicorn("--no-handoff"), _OXICORN),
        Server(MAX_QUEUE, _oxicorn("--max-queue", "4"), _OXICORN),
        Server(
            "oxicorn-gthread",
            _oxicorn("-k", "gthread"),
            _OXICORN,
            threaded=True,
            upgrades=True,
            recycles=True,
        ),
        Server("oxicorn-asgi", _oxicorn("-k", "asgi"), _OXICORN, asgi=True),
        Server("gunicorn", _gunicorn(), _GUNICORN, upgrades=True, recycles=True),
        Server(
            "gunicorn-gthread",
            _gunicorn(*_GTHREAD),
            _GUNICORN,
            threaded=True,
            upgrades=True,
            recycles=True,
        ),
        Server("gunicorn-asgi", _gunicorn("-k", "asgi"), _installed("gunicorn-asgi"), asgi=True),
        Server("granian", _granian("wsgi"), _GRANIAN),
        Server("granian-asgi", _granian("asgi"), _installed("granian-asgi"), asgi=True),
    )
}

WSGI = ("oxicorn", "oxicorn-gthread", "gunicorn", "gunicorn-gthread", "granian")
ASGI = ("oxicorn-asgi", "gunicorn-asgi", "granian-asgi")
