"""For tests with slow clients, threads and streams."""

import os
import threading
import time
from urllib.parse import parse_qs

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


def small_chunks():
    for number in range(64):
        yield b"%02d" % number


def waits_for(path):
    """The second item comes only when somebody has made this file."""
    yield b"first"
    end = time.monotonic() + 20
    while not os.path.exists(path) and time.monotonic() < end:
        time.sleep(0.001)
    yield b"second"


def application(environ, start_response):
    """Route."""
    path = environ["PATH_INFO"]
    if path == "/large":
        headers, body = [("Content-Length", str(len(LARGE)))], [LARGE]
    elif path == "/large-stream":
        headers, body = [], (LARGE[start : start + 50_000] for start in range(0, 5_000_000, 50_000))
    elif path == "/chunks":
        headers, body = [], small_chunks()
    elif path == "/waits":
        headers, body = [], waits_for(parse_qs(environ["QUERY_STRING"])["file"][0])
    elif path == "/ticks":
        text = b"%d %.6f" % (ticks, time.monotonic())
        headers, body = [("Content-Length", str(len(text)))], [text]
    elif path == "/cpu":
        text = b"%.6f" % time.process_time()
        headers, body = [("Content-Length", str(len(text)))], [text]
    else:
        text = environ["wsgi.input"].read() or b"ok"
        headers, body = [("Content-Length", str(len(text)))], [text]
    start_response("200 OK", [("Content-Type", "text/plain"), *headers])
    return body


def ticking():
    """The application, with its background thread started when a worker loads it."""
    threading.Thread(target=tick, daemon=True).start()
    return application
