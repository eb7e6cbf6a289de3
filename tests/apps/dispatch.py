"""For tests of dispatch: requests that take as long as their path says, and say who answers."""

import os
import time
from pathlib import Path


def application(environ, start_response):
    """``/sleep/MILLISECONDS`` sleeps, ``/touch/PATH`` makes a file; every answer has the worker's pid."""
    path = environ["PATH_INFO"]
    if path.startswith("/sleep/"):
        time.sleep(int(path.removeprefix("/sleep/")) / 1000)
    elif path.startswith("/touch-and-sleep/"):
        Path(path.removeprefix("/touch-and-sleep")).touch()
        time.sleep(1.5)
    elif path.startswith("/touch/"):
        Path(path.removeprefix("/touch")).touch()
    body = b"%d" % os.getpid()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


async def asgi(scope, receive, send):
    """The same for ASGI, without files. It blocks, so that it is busy while it sleeps."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    if scope["path"].startswith("/sleep/"):
        time.sleep(int(scope["path"].removeprefix("/sleep/")) / 1000)
    body = b"%d" % os.getpid()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
