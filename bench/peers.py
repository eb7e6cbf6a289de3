"""The servers of the comparison and the settings each is run with.

Every server gets one worker, no access log, and otherwise the fastest settings that its own
documentation or its author's benchmarks name for a WSGI application over HTTP/1.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workloads import THREADS, Workload

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
APPS = BENCH / "apps"
VENVS = BENCH / ".venvs"
HOST = "127.0.0.1"

OXICORN = "oxicorn"
OXICORN_GTHREAD = "oxicorn-gthread"
OXICORN_GUARDED = "oxicorn-guarded"
OXICORN_BARE = "oxicorn-bare"
GRANIAN_THREADS = "granian-threads"
GUNICORN_GTHREAD = "gunicorn-gthread"
FLOOR = "floor"


@dataclass(frozen=True)
class Site:
    """Where a server is installed and what it is to serve."""

    program: Path
    """The command, or for an installed peer its venv's `bin` folder."""
    port: int
    workload: Workload

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"


@dataclass(frozen=True)
class Server:
    """How to get a server and how to start it."""

    name: str
    command: Callable[[Site], list[str]]
    package: str = ""
    """Name on PyPI; empty for what is built here."""
    with_packages: tuple[str, ...] = ()
    venv: str = ""
    """Of which server, if not one of its own."""
    needs: str = ""
    """What its installation needs beyond pip, said when it fails."""
    own: bool = False
    """Ours with some settings: no peer."""
    threaded: bool = False
    """Runs the application in `THREADS` threads."""
    extra: bool = False
    """Only on request (`--servers all` or by name)."""


def _oxicorn(*options: str) -> Callable[[Site], list[str]]:
    def command(site: Site) -> list[str]:
        command = [str(site.program), "-w", "1", "-b", site.address, *options]
        return [*command, "--chdir", str(APPS), site.workload.app]

    return command


def _floor(site: Site) -> list[str]:
    workload = site.workload
    return [str(site.program), site.address, workload.content_type, workload.body.decode()]


def _gunicorn(*options: str) -> Callable[[Site], list[str]]:
    # No control socket: it would be one more thread in the arbiter, never used here.
    fixed = ["-w", "1", "--no-control-socket", "--log-level", "warning", *options]

    def command(site: Site) -> list[str]:
        return [str(site.program / "gunicorn"), *fixed, "-b", site.address, site.workload.app]

    return command


def _granian(threads: int) -> Callable[[Site], list[str]]:
    # The options of granian's own WSGI benchmarks. One blocking thread, unless the application
    # waits: more of them only wait for the GIL. Its documentation expects `st` to be the cheaper runtime
    # for a single worker; measured here, `mt` with one thread never was dearer and often cheaper.
    def command(site: Site) -> list[str]:
        return [
            str(site.program / "granian"),
            *("--interface", "wsgi", "--http", "1", "--no-ws"),
            *("--workers", "1", "--runtime-threads", "1", "--blocking-threads", str(threads)),
            *("--runtime-mode", "mt", "--backlog", "2048", "--log-level", "warning"),
            *("--host", HOST, "--port", str(site.port), site.workload.app),
        ]

    return command


def _peregrine(site: Site) -> list[str]:
    # One WSGI thread is its default; HTTP/2 off because no client here speaks it.
    return [
        str(site.program / "peregrine"),
        *("--protocol", "wsgi", "--workers", "1", "--wsgi-threads", "1", "--no-http2"),
        *("--log-level", "warning", "--host", HOST, "--port", str(site.port)),
        site.workload.app,
    ]


def _launched(name: str) -> Callable[[Site], list[str]]:
    def command(site: Site) -> list[str]:
        launcher = str(BENCH / "launch.py")
        return [str(site.program / "python"), launcher, name, str(site.port), site.workload.app]

    return command


SERVERS = (
    Server(OXICORN, _oxicorn(), own=True),
    # What the usual access log costs: standard output is a file, see `process.RunningServer`.
    Server("oxicorn-log", _oxicorn("--access-logfile", "-"), own=True, extra=True),
    Server(
        OXICORN_GTHREAD,
        _oxicorn("-k", "gthread", "--threads", str(THREADS)),
        own=True,
        threaded=True,
        extra=True,
    ),
    # What it costs that long calls are noticed, queues bounded, requests timed, workers recycled: with two workers, which
    # can give something to each other, and with none of it.
    Server(
        OXICORN_GUARDED,
        _oxicorn(
            *("-w", "2", "--max-queue", "1000", "--max-queue-time", "10000"),
            *("--max-requests", "1000000000", "--max-worker-memory", "8g"),
        ),
        own=True,
        extra=True,
    ),
    Server(
        OXICORN_BARE,
        _oxicorn("-w", "2", "--no-handoff", "--timeout", "0"),
        own=True,
        extra=True,
    ),
    Server(FLOOR, _floor),
    Server(
        "bjoern",
        _launched("bjoern"),
        package="bjoern",
        needs="a C compiler, Python's headers and libev's: apt-get install gcc libev-dev",
    ),
    Server(
        "freastal",
        _launched("freastal"),
        package="freastal",
        needs="without a wheel for this machine libuv's headers: apt-get install libuv1-dev",
    ),
    Server("fastpysgi", _launched("fastpysgi"), package="fastpysgi"),
    Server("peregrine", _peregrine, package="peregrine-server"),
    Server("granian", _granian(1), package="granian"),
    Server(
        GRANIAN_THREADS,
        _granian(THREADS),
        package="granian",
        venv="granian",
        threaded=True,
        extra=True,
    ),
    # The sync worker is Gunicorn's default; it closes after every answer.
    Server("gunicorn", _gunicorn("-k", "sync"), package="gunicorn"),
    # Gunicorn's advice for clients that keep connections alive.
    Server(
        GUNICORN_GTHREAD,
        _gunicorn("-k", "gthread", "--threads", str(THREADS), "--keep-alive", "75"),
        package="gunicorn",
        venv="gunicorn",
        threaded=True,
        extra=True,
    ),
    # The same sync worker with the optional C parser, which `--http-parser auto` then takes.
    Server(
        "gunicorn-fast",
        _gunicorn("-k", "sync"),
        package="gunicorn",
        with_packages=("gunicorn_h1c",),
        extra=True,
    ),
)

# These are no peers of each other.
OWN = frozenset(server.name for server in SERVERS if server.own)
