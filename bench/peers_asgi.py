"""The servers of the comparison for ASGI applications, and the settings each is run with.

As for WSGI: one worker, no access log, uvloop where a server can take it.
"""

from __future__ import annotations

from collections.abc import Callable

from peers import APPS, BENCH, HOST, OXICORN, Server, Site

FASTAPI = "fastapi"


def _oxicorn(site: Site) -> list[str]:
    command = [str(site.program), "-k", "asgi", "--asgi-loop", "uvloop", "-w", "1"]
    return [*command, "-b", site.address, "--chdir", str(APPS), site.workload.app]


def _uvicorn(site: Site) -> list[str]:
    return [
        str(site.program / "uvicorn"),
        *("--loop", "uvloop", "--http", "httptools", "--workers", "1", "--no-access-log"),
        *("--log-level", "warning", "--host", HOST, "--port", str(site.port), site.workload.app),
    ]


def _granian(site: Site) -> list[str]:
    return [
        str(site.program / "granian"),
        *("--interface", "asgi", "--http", "1", "--no-ws", "--loop", "uvloop"),
        *("--workers", "1", "--runtime-threads", "1", "--runtime-mode", "mt"),
        *("--backlog", "2048", "--log-level", "warning"),
        *("--host", HOST, "--port", str(site.port), site.workload.app),
    ]


def _hypercorn(site: Site) -> list[str]:
    return [
        str(site.program / "hypercorn"),
        *("-k", "uvloop", "-w", "1", "--log-level", "warning"),
        *("--bind", site.address, site.workload.app),
    ]


def _peregrine(site: Site) -> list[str]:
    return [
        str(site.program / "peregrine"),
        *("--protocol", "asgi", "--workers", "1", "--no-http2", "--log-level", "warning"),
        *("--host", HOST, "--port", str(site.port), site.workload.app),
    ]


def _gunicorn(site: Site) -> list[str]:
    return [
        str(site.program / "gunicorn"),
        *("-k", "asgi", "--asgi-loop", "uvloop", "-w", "1", "--no-control-socket"),
        *("--keep-alive", "75", "--log-level", "warning", "-b", site.address, site.workload.app),
    ]


def _launched(name: str) -> Callable[[Site], list[str]]:
    def command(site: Site) -> list[str]:
        launcher = str(BENCH / "launch.py")
        return [str(site.program / "python"), launcher, name, str(site.port), site.workload.app]

    return command


SERVERS = (
    Server(OXICORN, _oxicorn, own=True),
    Server("uvicorn", _uvicorn, package="uvicorn", with_packages=("uvloop", "httptools")),
    Server("granian-asgi", _granian, package="granian", with_packages=("uvloop",)),
    Server("hypercorn", _hypercorn, package="hypercorn", with_packages=("uvloop",)),
    Server(
        "fastpysgi-asgi",
        _launched("fastpysgi"),
        package="fastpysgi",
        with_packages=("uvloop",),
    ),
    Server(
        "freastal-asgi",
        _launched("freastal-asgi"),
        package="freastal",
        with_packages=("uvloop",),
        needs="without a wheel for this machine libuv's headers: apt-get install libuv1-dev",
    ),
    Server("peregrine-asgi", _peregrine, package="peregrine-server", with_packages=("uvloop",)),
    Server("gunicorn-asgi", _gunicorn, package="gunicorn", with_packages=("uvloop",)),
)
