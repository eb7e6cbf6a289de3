"""Calls that wait for a gate, for each other, or for nothing."""

import os
import threading
import time

GATE = os.environ.get("GATE", "")
LARGE = b"x" * 20_000_000
local = threading.local()
lock = threading.Lock()
inside = 0
stray = threading.Event()


def hold():
    """Wait for the gate; the log says how many do."""
    global inside
    with lock:
        inside += 1
        print(f"inside {inside};", flush=True)
    end = time.monotonic() + 30
    while not os.path.exists(GATE) and time.monotonic() < end:
        time.sleep(0.002)
    with lock:
        inside -= 1


def burn():
    """The same without ever letting go of the interpreter by itself."""
    print("burning;", flush=True)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if os.path.exists(GATE):
            return


def work(path):
    """Do what the path says and return the body."""
    if path == "/hold":
        hold()
    elif path == "/burn":
        burn()
    elif path.startswith("/sleep/"):
        time.sleep(float(path[7:]) / 1000)
    elif path == "/large":
        return LARGE
    elif path == "/name":
        return threading.current_thread().name.encode()
    elif path == "/exit":
        raise SystemExit(3)
    elif path == "/error":
        raise RuntimeError("a fault of the application")
    elif path == "/stray":
        threading.Thread(target=lambda: (time.sleep(0.01), stray.set()), daemon=True).start()
    elif path == "/stray-is-done":
        return str(stray.is_set()).encode()
    return b"done"


def application(environ, start_response):
    """Answer with what was done, or with the query where there is one."""
    local.query = environ["QUERY_STRING"].encode()
    body = work(environ["PATH_INFO"])
    # Another request of this thread would have changed it.
    body = local.query or body
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
