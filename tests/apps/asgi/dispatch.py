"""The twin of ``dispatch`` for ASGI. It blocks, so that its worker is busy while it sleeps."""

import os
import time
from pathlib import Path

from messages import http_only, whole


@http_only
async def application(scope, receive, send):
    """``/sleep/MILLISECONDS`` sleeps, ``/touch/PATH`` makes a file; every answer has the worker's pid."""
    path = scope["path"]
    if path.startswith("/sleep/"):
        time.sleep(int(path.removeprefix("/sleep/")) / 1000)
    elif path.startswith("/touch-and-sleep/"):
        Path(path.removeprefix("/touch-and-sleep")).touch()
        time.sleep(1.5)
    elif path.startswith("/touch/"):
        Path(path.removeprefix("/touch")).touch()
    await whole(send, b"%d" % os.getpid(), [("Content-Type", "text/plain")])
