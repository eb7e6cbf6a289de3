"""The application of the scenes: says which code and which process answers, takes its time, hangs, crashes.

It imports only what the interface in use needs: a scene has its own time for the import.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

HANG_SECONDS = 600


def wsgi(version):
    """By path: /sleep/MILLISECONDS, /hang, /busy, /segfault, /memory; all others answer at once."""

    def application(environ, start_response):
        _act(environ["PATH_INFO"])
        body = _body(version)
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        return [body]

    return application


def asgi(version):
    """The same. /sleep and /hang let other tasks run, /block does not."""
    import asyncio

    async def application(scope, receive, send):
        if scope["type"] == "lifespan":
            return await _lifespan(receive, send)
        path = scope["path"]
        if path.startswith("/sleep/"):
            await asyncio.sleep(int(path.removeprefix("/sleep/")) / 1000)
        elif path == "/hang":
            await hang_in_a_task(asyncio.sleep)
        else:
            _act(path)
        body = _body(version)
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return application


async def _lifespan(receive, send):
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _body(version):
    return f"{version} {os.getpid()}".encode()


def _act(path):
    if path.startswith("/sleep/"):
        time.sleep(int(path.removeprefix("/sleep/")) / 1000)
    elif path in ("/hang", "/block"):
        hang_here()
    elif path == "/busy":
        Path("busy.pid").write_text(str(os.getpid()))
        time.sleep(3)
    elif path == "/segfault":
        import ctypes

        ctypes.string_at(0)
    elif path == "/memory":
        hoard = []
        while True:
            hoard.append(b"x" * 10_000_000)


def hang_here():
    """Where a log should point at."""
    time.sleep(HANG_SECONDS)


async def hang_in_a_task(sleep):
    """The same for a task."""
    await sleep(HANG_SECONDS)
