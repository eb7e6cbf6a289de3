"""The twin of ``dying`` for ASGI: ends in the many ways a process can."""

import asyncio
import ctypes
import os
import signal
import sys

from messages import http_only, part, start, whole


@http_only
async def application(scope, receive, send):
    """Answer by path: /pid, /wait/SECONDS, /pause/SECONDS, /segfault, /exit/STATUS, /begin/SECONDS,
    /hint/SECONDS, /read, /kill, /memory."""
    action, _, argument = scope["path"].strip("/").partition("/")
    if action not in ("pid", "pause"):
        print("begun", scope["path"], file=sys.stderr, flush=True)
    if action in ("wait", "pause"):
        await asyncio.sleep(float(argument))
    elif action == "segfault":
        ctypes.string_at(0)
    elif action == "exit":
        os._exit(int(argument))
    elif action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "hint":
        links = [b"</style.css>; rel=preload"]
        await send({"type": "http.response.early_hint", "links": links})
        print("hinted", file=sys.stderr, flush=True)
        await asyncio.sleep(float(argument))
    elif action == "read":
        await receive()
    elif action == "memory":
        hoard = []
        while True:
            hoard.append(b"x" * 10_000_000)
    elif action == "begin":
        await start(send)
        await part(send, b"begun")
        await asyncio.sleep(float(argument))
        return
    pid = str(os.getpid())
    await whole(send, pid.encode(), [("X-Pid", pid)])
