"""The life of an application: ``lifespan.startup`` and ``lifespan.shutdown`` (ASGI lifespan 2.0)."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable
from typing import Any

#: Longest wait for each of the two, in seconds.
PATIENCE = 30.0

#: How long an application that has answered, or is cancelled, may take to end, in seconds.
LAST_LINES = 1.0

VERSIONS = {"version": "3.0", "spec_version": "2.0"}


class StartupFailed(Exception):
    """The application did not start; the message is for the operator."""


class Phase(enum.Enum):
    """Where an application is in its life."""

    STARTING = enum.auto()
    SERVING = enum.auto()
    ENDING = enum.auto()


class Lifespan:
    """One application's life, as a task from its startup to its shutdown.

    ``is_required``: an application that does not take part has failed to start. ``is_leaving`` says whether
    the worker was told to leave: then a ``SystemExit`` is that of a signal's handler.
    """

    def __init__(
        self, application: Any, log: Any, *, is_required: bool, is_leaving: Callable[[], bool]
    ) -> None:
        self.state: dict[str, Any] = {}
        self._application = application
        self._log = log
        self._is_required = is_required
        self._is_leaving = is_leaving
        self._phase = Phase.STARTING
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._started = asyncio.Event()
        self._stopped = asyncio.Event()
        #: An event was taken, so the application knows lifespan.
        self._has_taken = False
        self._failure: str | None = None
        #: What the application raised.
        self._error: BaseException | None = None
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Start the application, or raise StartupFailed."""
        self._task = asyncio.ensure_future(self._run())
        self._events.put_nowait({"type": "lifespan.startup"})
        await self._either(self._started)
        if self._failure is not None:
            await self.cancel()
            raise StartupFailed(self._failure)
        if self._started.is_set():
            return
        if self._task.done():
            self._do_without(self._error)
        else:
            await self.cancel()
            raise StartupFailed(f"no answer in {PATIENCE:.0f} seconds")

    def _do_without(self, error: BaseException | None) -> None:
        reason = "it returned" if error is None else repr(error)
        is_exit = isinstance(error, (SystemExit, KeyboardInterrupt))
        if error is not None and (self._is_required or is_exit):
            self._log.error("Exception in ASGI lifespan", exc_info=error)
        if is_exit:
            raise StartupFailed(f"the application ended itself ({reason})")
        if self._is_required:
            raise StartupFailed(
                f"the application does not take part in it ({reason}), and asgi_lifespan is 'on'"
            )
        if error is not None and self._has_taken:
            self._log.warning(
                "The application raised in lifespan.startup; it is served without lifespan, "
                "because asgi_lifespan is 'auto'",
                exc_info=error,
            )
        else:
            self._log.debug("The application does not take part in ASGI lifespan: %s", reason)

    async def shutdown(self, patience: float) -> None:
        """Let the application end in good order, if it ever started."""
        if self._task is None or self._task.done() or not self._started.is_set():
            return
        self._phase = Phase.ENDING
        self._failure = None
        self._events.put_nowait({"type": "lifespan.shutdown"})
        await self._either(self._stopped, min(patience, PATIENCE))
        if self._stopped.is_set() and not self._task.done():
            await asyncio.wait([self._task], timeout=min(patience, LAST_LINES))
        if self._failure is not None:
            self._log.error("ASGI lifespan shutdown failed: %s", self._failure)
        elif self._error is not None:
            self._log.error("Exception in ASGI lifespan shutdown", exc_info=self._error)
        elif not self._stopped.is_set() and not self._task.done():
            self._log.warning("ASGI lifespan shutdown did not end in time.")
        await self.cancel()

    async def cancel(self) -> None:
        """End the application's task, which may have something to clean up."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=LAST_LINES)

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
        try:
            await self._application(scope, self._receive, self._send)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            if isinstance(error, SystemExit) and self._is_leaving():
                raise
            self._error = error
            # One that has said why it failed may well raise then. Frameworks do.
            if self._phase is Phase.SERVING:
                self._log.error(
                    "Exception in ASGI lifespan; the application is served on, without its shutdown",
                    exc_info=error,
                )

    async def _receive(self) -> dict[str, Any]:
        event = await self._events.get()
        self._has_taken = True
        return event

    async def _send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self._phase = Phase.SERVING
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
