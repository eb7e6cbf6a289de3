"""The life of an application: ``lifespan.startup`` and ``lifespan.shutdown`` (ASGI lifespan 2.0)."""

from __future__ import annotations

import asyncio
from typing import Any

#: Longest wait for each of the two, in seconds.
PATIENCE = 30.0

VERSIONS = {"version": "3.0", "spec_version": "2.0"}


class StartupFailed(Exception):
    """The application did not start; the message is for the operator."""


class Lifespan:
    """One application's life, as a task from its startup to its shutdown.

    ``is_required``: an application that does not take part has failed to start.
    """

    def __init__(self, application: Any, log: Any, *, is_required: bool) -> None:
        self.state: dict[str, Any] = {}
        self._application = application
        self._log = log
        self._is_required = is_required
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._started = asyncio.Event()
        self._stopped = asyncio.Event()
        self._failure: str | None = None
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Start the application, or raise StartupFailed."""
        self._task = asyncio.ensure_future(self._run())
        self._events.put_nowait({"type": "lifespan.startup"})
        await self._either(self._started)
        if self._failure is not None:
            raise StartupFailed(self._failure)
        if self._started.is_set():
            return
        if not self._task.done():
            self._task.cancel()
            raise StartupFailed(f"no answer in {PATIENCE:.0f} seconds")
        error = None if self._task.cancelled() else self._task.exception()
        if self._is_required:
            if error is not None:
                self._log.error("Exception in ASGI lifespan", exc_info=error)
            raise StartupFailed(
                f"the application does not take part in it ({error or 'it returned'}), "
                "and asgi_lifespan is 'on'"
            )
        self._log.debug("The application does not take part in ASGI lifespan: %r", error)

    async def shutdown(self, patience: float) -> None:
        """Let the application end in good order, if it ever started."""
        if self._task is None or self._task.done() or not self._started.is_set():
            return
        self._failure = None
        self._events.put_nowait({"type": "lifespan.shutdown"})
        await self._either(self._stopped, min(patience, PATIENCE))
        if self._failure is not None:
            self._log.error("ASGI lifespan shutdown failed: %s", self._failure)
        elif self._task.done() and not self._task.cancelled() and self._task.exception():
            self._log.error("Exception in ASGI lifespan shutdown", exc_info=self._task.exception())
        elif not self._stopped.is_set() and not self._task.done():
            self._log.warning("ASGI lifespan shutdown did not end in time.")
        if not self._task.done():
            # One that has answered may have a last line to run.
            await asyncio.wait([self._task], timeout=min(patience, 1.0))
            self._task.cancel()

    async def _either(self, event: asyncio.Event, patience: float = PATIENCE) -> None:
        """Wait for the event, or for the end of the application."""
        assert self._task is not None
        waiter = asyncio.ensure_future(event.wait())
        await asyncio.wait(
            [waiter, self._task], timeout=patience, return_when=asyncio.FIRST_COMPLETED
        )
        waiter.cancel()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": dict(VERSIONS), "state": self.state}
        await self._application(scope, self._events.get, self._send)

    async def _send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self._started.set()
        elif kind == "lifespan.startup.failed":
            self._failure = message.get("message", "") or "the application gave no reason"
            self._started.set()
        elif kind == "lifespan.shutdown.complete":
            self._stopped.set()
        elif kind == "lifespan.shutdown.failed":
            self._failure = message.get("message", "") or "the application gave no reason"
            self._stopped.set()
        else:
            raise ValueError(f"unknown message {kind!r} in a lifespan")
