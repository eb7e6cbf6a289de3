"""The default worker: one request at a time, the engine and the application in one thread."""

from oxicorn import _oxicorn
from oxicorn.workers import base


class SyncWorker(base.Worker):
    """Runs the application inline in the thread of the engine's loop.

    Connections are kept alive, and a request reaches the application only when it is whole, so
    idle and slow clients hold nobody up.
    """

    INTERFACE = "wsgi"

    def run(self) -> None:
        """Serve until the worker is told to leave."""
        _oxicorn.run_sync(self)
