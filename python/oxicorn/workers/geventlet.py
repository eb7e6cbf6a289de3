"""The worker class for eventlet: requests run in green threads, and what they wait for is cooperative."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from types import FrameType

# It warns of itself, at each start, past every filter. Whoever chose this class knows.
with warnings.catch_warnings(record=True):
    import eventlet
    import eventlet.hubs

from oxicorn import child
from oxicorn.workers import base_async


class EventletWorker(base_async.AsyncWorker):
    """Runs each request in a green thread. The standard library is patched before the application loads."""

    def patch(self) -> None:
        """Make the standard library cooperative."""
        # An application that was preloaded may have used a hub before the fork.
        eventlet.hubs.use_hub()
        eventlet.monkey_patch()

    def init_process(self) -> None:
        """Patch, then become a worker."""
        # A signal that raises in there leaves it half done, or is swallowed: eventlet does that.
        with child.held_off():
            self.patch()
        super().init_process()

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """INT and QUIT: leave at once. In a green thread, because the handler waits, which the hub may not."""
        eventlet.spawn(super().handle_quit, sig, frame)

    def handle_usr1(self, sig: int, frame: FrameType | None) -> None:
        """USR1: the log files were moved away."""
        eventlet.spawn(super().handle_usr1, sig, frame)

    def rest(self, descriptor: int, seconds: float) -> None:
        """Let other green threads run until the descriptor is readable or the time is over."""
        with contextlib.suppress(eventlet.Timeout):
            eventlet.hubs.trampoline(descriptor, read=True, timeout=seconds)

    def start(self, job: Callable[[], None]) -> None:
        """Call ``job`` in a green thread of its own."""
        eventlet.spawn(job)

    def wait_for_client(self, descriptor: int, seconds: float) -> bool:
        """Let other green threads run until the descriptor is writable; false if that took too long."""
        try:
            eventlet.hubs.trampoline(descriptor, write=True, timeout=seconds)
        except eventlet.Timeout:
            return False
        return True
