"""The twin of ``clients`` for ASGI: slow clients and streams."""

import asyncio
import os
import threading
import time
from urllib.parse import parse_qs

from messages import http_only, part, read, start, whole

LARGE = b"x" * 5_000_000
ticks = 0


def tick():
    """Count a hundred times a second; a tick that comes a period late is lost."""
    global ticks
    due = time.monotonic()
    while True:
        due = max(due + 0.01, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
        ticks += 1


async def stream(send, pieces):
    await start(send, [("Content-Type", "text/plain")])
    for piece in pieces:
        await part(send, piece)
    await part(send, b"", more=False)


async def wait_for(send, path):
    """The second part comes only when somebody has made this file."""
    await start(send, [("Content-Type", "text/plain")])
    await part(send, b"first")
    end = time.monotonic() + 20
    while not os.path.exists(path) and time.monotonic() < end:
        await asyncio.sleep(0.001)
    await part(send, b"second", more=False)


@http_only
async def application(scope, receive, send):
    """Route."""
    path = scope["path"]
    if path == "/large":
        await whole(send, LARGE, [("Content-Type", "text/plain")])
    elif path == "/large-stream":
        await stream(send, (LARGE[start : start + 50_000] for start in range(0, 5_000_000, 50_000)))
    elif path == "/chunks":
        await stream(send, (b"%02d" % number for number in range(64)))
    elif path == "/waits":
        await wait_for(send, parse_qs(scope["query_string"].decode())["file"][0])
    elif path == "/ticks":
        await whole(send, b"%d %.6f" % (ticks, time.monotonic()))
    elif path == "/cpu":
        await whole(send, b"%.6f" % time.process_time())
    else:
        await whole(send, await read(receive) or b"ok")


def ticking():
    """The application, with its background thread started when a worker loads it."""
    threading.Thread(target=tick, daemon=True).start()
    return application
