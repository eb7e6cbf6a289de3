"""The worker class of ASGI applications: the engine inside of an asyncio loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from types import FrameType
from typing import Any

from oxicorn import _oxicorn
from oxicorn.asgi import loops
from oxicorn.asgi.lifespan import Lifespan, StartupFailed
from oxicorn.workers import base

#: Exit status of a worker whose application did not start.
BOOT_ERROR = 3

#: How long cancelled requests may take to end, in seconds.
CANCELLED = 1.0


class ASGIWorker(base.Worker):
    """Runs each request as a task of one event loop."""

    INTERFACE = "asgi"

    loop: asyncio.AbstractEventLoop
    lifespan: Lifespan | None = None
    driver: Any = None
    leaves_until = 0.0

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Load the loop's package while everything can be read."""
        loops.load(cfg.asgi_loop)

    def start_application(self) -> None:
        """Make the loop, and let the application start in it."""
        if self.cfg.threads > 1:
            self.log.warning("The asgi worker ignores threads: it runs requests as tasks.")
        self.loop = loops.new_event_loop(self.cfg.asgi_loop)
        asyncio.set_event_loop(self.loop)
        if self.cfg.asgi_lifespan == "off":
            return
        self.lifespan = self.loop.run_until_complete(self.make_lifespan())
        try:
            self.loop.run_until_complete(self.lifespan.startup())
        except StartupFailed as error:
            self.log.error("ASGI lifespan startup failed: %s", error)
            sys.exit(BOOT_ERROR)
        except SystemExit:
            # It was told to leave meanwhile.
            self.loop.run_until_complete(self.lifespan.cancel())
            raise

    async def make_lifespan(self) -> Lifespan:
        """Make it in the loop: its events belong to that."""
        return Lifespan(
            self.wsgi,
            self.log,
            is_required=self.cfg.asgi_lifespan == "on",
            is_leaving=lambda: not self.alive,
        )

    def run(self) -> None:
        """Serve until the worker is told to leave."""
        state = self.lifespan.state if self.lifespan is not None else None
        self.driver = _oxicorn.Driver(self, self.loop, state)
        self.driver.start()
        for one in self.sockets:
            self.log.info("ASGI server listening on %s", one)
        try:
            self.run_loop()
            self.leave()
        finally:
            self.driver.close()

    def run_loop(self) -> None:
        """Run the loop until the driver stops it.

        ``SystemExit`` of an application stops it as well. That is a failed request, which its task
        tells of, unless it came from a signal's handler.
        """
        while True:
            try:
                self.loop.run_forever()
                return
            except (SystemExit, KeyboardInterrupt):
                if not self.alive:
                    raise

    def leave(self) -> None:
        """End what still runs, and then the application."""
        left = max(self.leaves_until - time.monotonic(), CANCELLED)
        tasks = self.driver.tasks()
        if tasks:
            for task in tasks:
                task.cancel()
            # Before the arbiter's patience ends.
            rest = max(self.leaves_until - time.monotonic(), 0.0) / 2 or left
            waiting = asyncio.wait(tasks, timeout=min(rest, CANCELLED))
            self.loop.run_until_complete(waiting)
            self.driver.give_up()
        if self.lifespan is not None:
            self.loop.run_until_complete(self.lifespan.shutdown(left))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """TERM: finish what there is, then leave."""
        super().handle_exit(sig, frame)
        self.leaves_until = time.monotonic() + self.cfg.graceful_timeout
        self.wake()

    def handle_abort(self, sig: int, frame: FrameType | None) -> None:
        """ABRT: the loop is blocked."""
        if self.driver is not None:
            self.driver.abort()
        super().handle_abort(sig, frame)

    def wake(self) -> None:
        """Let the engine take a turn. Some loops take the wake-up descriptor of signals for themselves."""
        with contextlib.suppress(BlockingIOError):
            os.write(self.PIPE[1], b"\0")
