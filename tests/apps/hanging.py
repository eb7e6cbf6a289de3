"""Hangs in Python, in C, or after the first byte; answers anything else with its pid."""

import os
import time
from pathlib import Path


def application(environ, start_response):
    """Answer by path: /pid, /hang[/FILE THAT SAYS SO], /swallow (goes on whatever is raised), /late/SECONDS, /stream/SECONDS."""
    action, _, argument = environ["PATH_INFO"].strip("/").partition("/")
    if action == "hang":
        if argument:
            Path("/", argument).touch()
        hang_here()
    elif action == "swallow":
        swallow()
    elif action == "late":
        time.sleep(float(argument))
    elif action == "stream":
        return stream(start_response, float(argument))
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


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


def stream(start_response, seconds):
    """Begin at once and end later."""
    start_response("200 OK", [])
    yield b"begun "
    time.sleep(seconds)
    yield b"ended"
