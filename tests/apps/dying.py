"""Ends in the many ways a process can."""

import ctypes
import os
import signal
import sys
import time


def slowly(seconds):
    """A response that begins at once."""
    yield b"begun"
    time.sleep(seconds)


def application(environ, start_response):
    """Answer by path: /pid, /wait/SECONDS, /pause/SECONDS, /segfault, /exit/STATUS, /begin/SECONDS,
    /hint/SECONDS, /read, /kill, /memory."""
    action, _, argument = environ["PATH_INFO"].strip("/").partition("/")
    if action not in ("pid", "pause"):
        print("begun", environ["PATH_INFO"], file=sys.stderr, flush=True)
    if action in ("wait", "pause"):
        time.sleep(float(argument))
    elif action == "segfault":
        ctypes.string_at(0)
    elif action == "exit":
        os._exit(int(argument))
    elif action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "hint":
        environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload")])
        print("hinted", file=sys.stderr, flush=True)
        time.sleep(float(argument))
    elif action == "read":
        environ["wsgi.input"].read()
    elif action == "memory":
        hoard = []
        while True:
            hoard.append(b"x" * 10_000_000)
    elif action == "begin":
        start_response("200 OK", [])
        return slowly(float(argument))
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body))), ("X-Pid", str(os.getpid()))])
    return [body]
