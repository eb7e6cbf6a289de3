"""The twin of ``hanging`` for ASGI. It hangs in the thread of the loop."""

import asyncio
import os
import time

from messages import http_only, part, start, whole


@http_only
async def application(scope, receive, send):
    """Answer by path: /pid, /hang, /swallow (goes on whatever is raised), /stream/SECONDS."""
    action, _, argument = scope["path"].strip("/").partition("/")
    if action == "hang":
        hang_here()
    elif action == "swallow":
        swallow()
    elif action == "stream":
        await start(send)
        await part(send, b"begun ")
        await asyncio.sleep(float(argument))
        return await part(send, b"ended", more=False)
    await whole(send, str(os.getpid()).encode())


def hang_here():
    """Where the log should point at."""
    time.sleep(600)


def swallow():
    """Go on whatever is raised."""
    end = time.monotonic() + 600
    while time.monotonic() < end:
        try:
            time.sleep(600)
        except BaseException:
            pass
