"""The worker class for applications that wait: requests run in a pool of threads."""

from oxicorn import _oxicorn
from oxicorn.workers import base


class ThreadWorker(base.Worker):
    """Runs up to ``threads`` requests at a time, each in a thread of its own.

    The main thread receives and sends for all connections, so idle and slow clients hold no
    thread.
    """

    INTERFACE = "wsgi"

    def run(self) -> None:
        """Serve until the worker is told to leave."""
        _oxicorn.run_gthread(self)
