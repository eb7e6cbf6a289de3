"""An application that waits in every way that a coroutine can."""

import os
import socket
import threading
import time

#: Set when the standard library was cooperative before this module was imported.
PATCHED = {name: getattr(socket.socket, "__module__", "") for name in ["socket"]}
produced = 0
local = threading.local()


def answer(start_response, text):
    body = str(text).encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


def ask(port):
    """What a slow server on this port says, by a plain socket."""
    with socket.create_connection(("127.0.0.1", int(port))) as connection:
        connection.sendall(b"x")
        return connection.recv(10).decode()


def fetch(port):
    import requests

    return requests.get(f"http://127.0.0.1:{port}/", timeout=60).text


def stay_behind():
    """A thread that outlives its request."""
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()


def kill_itself():
    import greenlet

    raise greenlet.GreenletExit


def count(chunks, size):
    global produced
    for _ in range(int(chunks)):
        produced += 1
        yield b"x" * int(size)


def trickle(seconds):
    yield b"begun, "
    time.sleep(float(seconds))
    yield b"done"


def greet_once():
    """Whether something that was kept for this coroutine comes from another request."""
    seen, local.seen = getattr(local, "seen", "new"), "seen"
    return seen


def spin(seconds):
    """Hold up everything, without a word to the hub."""
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        pass


ACTIONS = {
    "ask": ask,
    "fetch": fetch,
    "sleep": lambda seconds: time.sleep(float(seconds)),
    "spin": spin,
    "behind": stay_behind,
    "kill": kill_itself,
    "exit": lambda: exit(7),
    "local": greet_once,
    "patched": lambda: PATCHED["socket"],
    "produced": lambda: produced,
    "pid": os.getpid,
}


def application(environ, start_response):
    """``/ACTION/ARGUMENT…``"""
    _, action, *arguments = environ["PATH_INFO"].split("/")
    if action in ("count", "trickle"):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return {"count": count, "trickle": trickle}[action](*arguments)
    return answer(start_response, ACTIONS[action](*arguments))
