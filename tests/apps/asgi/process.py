"""The twin of ``process`` for ASGI: tells what process it runs in, and takes its time."""

import asyncio
import os
import sys
import threading
import time

from messages import http_only, whole


@http_only
async def application(scope, receive, send):
    """Answer by path: /pid, /env/NAME, /ids, /title, /sleep/SECONDS, /stuck/SECONDS."""
    action, _, argument = scope["path"].strip("/").partition("/")
    if action in ("sleep", "stuck"):
        print("begun", scope["path"], file=sys.stderr, flush=True)
    if action == "env":
        answer = os.environ.get(argument, "<missing>")
    elif action == "ids":
        mask = os.umask(0)
        os.umask(mask)
        answer = f"{os.getuid()} {os.getgid()} {mask:03o} {os.getcwd()}"
    elif action == "title":
        with open("/proc/self/cmdline") as cmdline:
            answer = cmdline.read()
    elif action == "sleep":
        await asyncio.sleep(float(argument))
        answer = "slept"
    elif action == "stuck":
        answer = stuck(float(argument))
    elif action == "threads":
        answer = str(threading.active_count())
    else:
        answer = str(os.getpid())
    await whole(send, answer.encode(), [("X-Pid", str(os.getpid()))])


def stuck(seconds):
    """Hold up the loop, whatever is raised."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            time.sleep(0.1)
        except BaseException:
            pass
    return "stuck"
