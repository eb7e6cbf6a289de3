"""The application's own threads go on while the server idles, and while it works."""

import threading
import time

import pytest

from support.client import message

SECONDS = 1.5


@pytest.fixture(scope="module")
def server(serve_module):
    server = serve_module("clients:ticking()", "--keep-alive", 20)
    server.get("/")
    return server


def reading(server):
    ticks, at = server.get("/ticks").text.split()
    return int(ticks), float(at)


def rate(server):
    """The ticks a second, measured by the server's clock."""
    ticks, start = reading(server)
    time.sleep(SECONDS)  # what is measured, not waited for
    later, end = reading(server)
    return (later - ticks) / (end - start)


def best_rate(server, enough):
    """Three chances: other programs of this machine can take a tick away, but give none."""
    best = 0.0
    for _ in range(3):
        best = max(best, rate(server))
        if best >= enough:
            break
    return best


def test_a_thread_ticks_while_the_server_idles(server):
    assert best_rate(server, 95) >= 95


@pytest.mark.beyond_gunicorn
def test_a_thread_ticks_under_full_load(server):
    stop = threading.Event()
    load = [threading.Thread(target=keep_busy, args=(server, stop)) for _ in range(2)]
    for thread in load:
        thread.start()
    try:
        assert best_rate(server, 50) >= 50
    finally:
        stop.set()
        for thread in load:
            thread.join()


def keep_busy(server, stop):
    """Many requests in one send, so that the server and not this client is the bottleneck."""
    request = message("GET", "/") * 200
    with server.connect() as connection:
        while not stop.is_set():
            connection.send(request)
            received = 0
            while received < 200:
                data = connection.socket.recv(1 << 18)
                assert data
                received += data.count(b"HTTP/1.1 200")
