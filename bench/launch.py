"""Start a server that has no command of its own: `launch.py SERVER PORT MODULE:NAME`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

HOST = "127.0.0.1"


def run_bjoern(app: Any, port: int) -> None:
    """Its only settings are the socket's; a bare `run` is what its documentation recommends."""
    import bjoern

    bjoern.run(app, HOST, port)


def run_fastpysgi(app: Any, port: int) -> None:
    """The settings its author uses in public benchmarks; the command line cannot set them."""
    import fastpysgi

    fastpysgi.server.backlog = 4096
    fastpysgi.server.read_buffer_size = 256 * 1024
    fastpysgi.run(app, HOST, port, workers=1, loglevel=0)


def run_freastal(app: Any, port: int) -> None:
    """With one worker it serves in this process; there is nothing else to set."""
    import freastal

    freastal.serve(app, host=HOST, port=port, workers=1)


def run_freastal_asgi(app: Any, port: int) -> None:
    """The same for an ASGI application."""
    import freastal

    freastal.serve_asgi(app, host=HOST, port=port, workers=1)


LAUNCHERS: dict[str, Callable[[Any, int], None]] = {
    "bjoern": run_bjoern,
    "fastpysgi": run_fastpysgi,
    "freastal": run_freastal,
    "freastal-asgi": run_freastal_asgi,
}


def main() -> None:
    """Import the application the way a command line would, then hand it over."""
    server, port, target = sys.argv[1:]
    module, _, name = target.partition(":")
    LAUNCHERS[server](getattr(importlib.import_module(module), name), int(port))


if __name__ == "__main__":
    main()
