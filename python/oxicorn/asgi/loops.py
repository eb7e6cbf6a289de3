"""The event loop of an ASGI worker."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from typing import Any

from oxicorn import child
from oxicorn.errors import ConfigError


def new_event_loop(name: str) -> asyncio.AbstractEventLoop:
    """Make the loop that the setting ``asgi_loop`` names; ``auto`` is uvloop where it is installed.

    Signals wait meanwhile: a handler that raised in the constructor would leave half a loop behind, whose end
    Python complains of.
    """
    with child.held_off():
        return named_loop(name)


def named_loop(name: str) -> asyncio.AbstractEventLoop:
    """Make it."""
    if name == "asyncio":
        return asyncio.new_event_loop()
    if name == "auto":
        try:
            return made_by("uvloop")
        except ImportError:
            return asyncio.new_event_loop()
    try:
        return made_by(name)
    except ImportError as error:
        raise ConfigError(f"asgi_loop cannot be {name!r}: {error}") from error


def load(name: str) -> None:
    """Import what :func:`new_event_loop` will need, as far as it is installed.

    For the arbiter: a worker that has become another user may not read the interpreter's files.
    """
    import concurrent.futures.thread  # noqa: F401

    with contextlib.suppress(ImportError):
        importlib.import_module("uvloop" if name == "auto" else name)


def made_by(package: str) -> Any:
    """Make a loop of this package."""
    return importlib.import_module(package).new_event_loop()
