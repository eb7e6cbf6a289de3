"""What the worker classes share whose requests run in coroutines."""

from __future__ import annotations

from collections.abc import Callable

from oxicorn import _oxicorn
from oxicorn.workers import base


class AsyncWorker(base.Worker):
    """Runs each request in a coroutine of its own, up to ``worker_connections`` at a time.

    The engine is nested in the hub's loop: subclasses say how their hub waits and starts coroutines.
    """

    INTERFACE = "wsgi"

    def run(self) -> None:
        """Serve until the worker is told to leave."""
        _oxicorn.run_green(self)

    def rest(self, descriptor: int, seconds: float) -> None:
        """Let others run until the descriptor is readable or the time is over."""
        raise NotImplementedError

    def start(self, job: Callable[[], None]) -> None:
        """Call ``job`` in a coroutine of its own, soon."""
        raise NotImplementedError

    def wait_for_client(self, descriptor: int, seconds: float) -> bool:
        """Let others run until the descriptor is writable; false if that took too long."""
        raise NotImplementedError
