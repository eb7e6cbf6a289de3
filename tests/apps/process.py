"""Tells what process it runs in, and takes its time."""

import os
import sys
import threading
import time


def application(environ, start_response):
    """Answer by path: /pid, /env/NAME, /ids, /title, /sleep/SECONDS, /stuck/SECONDS."""
    action, _, argument = environ["PATH_INFO"].strip("/").partition("/")
    if action in ("sleep", "stuck"):
        print("begun", environ["PATH_INFO"], file=sys.stderr, flush=True)
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
        time.sleep(float(argument))
        answer = "slept"
    elif action == "stuck":
        answer = stuck(float(argument))
    elif action == "threads":
        answer = str(threading.active_count())
    else:
        answer = str(os.getpid())
    body = answer.encode()
    headers = [("Content-Length", str(len(body))), ("X-Pid", str(os.getpid()))]
    start_response("200 OK", headers)
    return [body]


def stuck(seconds):
    """Go on whatever is raised."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            time.sleep(0.1)
        except BaseException:
            pass
    return "stuck"
