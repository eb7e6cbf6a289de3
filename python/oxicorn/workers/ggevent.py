"""The worker class for gevent: requests run in greenlets, and what they wait for is cooperative."""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType

import gevent
import gevent.hub
import gevent.monkey
import gevent.socket

from oxicorn import child
from oxicorn.workers import base_async


class GeventWorker(base_async.AsyncWorker):
    """Runs each request in a greenlet. The standard library is patched before the application loads."""

    def patch(self) -> None:
        """Make the standard library cooperative."""
        gevent.monkey.patch_all()

    def init_process(self) -> None:
        """Patch, then become a worker."""
        # A signal that raises in there leaves it half done, or is swallowed: eventlet does that.
        with child.held_off():
            self.patch()
        # An application that was preloaded may have used a hub before the fork.
        gevent.hub.reinit(gevent.get_hub())
        super().init_process()

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """INT and QUIT: leave at once. In a greenlet, because the handler waits, which the hub may not."""
        gevent.spawn(super().handle_quit, sig, frame)

    def handle_usr1(self, sig: int, frame: FrameType | None) -> None:
        """USR1: the log files were moved away."""
        gevent.spawn(super().handle_usr1, sig, frame)

    def rest(self, descriptor: int, seconds: float) -> None:
        """Let other greenlets run until the descriptor is readable or the time is over."""
        hub = gevent.get_hub()
        waiter = gevent.hub.Waiter(hub)
        readable = hub.loop.io(descriptor, 1)
        timer = hub.loop.timer(seconds)
        readable.start(waiter.switch, None)
        timer.start(waiter.switch, None)
        try:
            waiter.get()
        finally:
            readable.close()
            timer.close()

    def start(self, job: Callable[[], None]) -> None:
        """Call ``job`` in a greenlet of its own."""
        gevent.spawn(job)

    def wait_for_client(self, descriptor: int, seconds: float) -> bool:
        """Let other greenlets run until the descriptor is writable; false if that took too long."""
        try:
            gevent.socket.wait_write(descriptor, seconds)
        except gevent.socket.timeout:
            return False
        return True
