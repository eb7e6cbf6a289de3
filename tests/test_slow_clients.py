"""Slow, silent and greedy clients cost the others nothing."""

import contextlib
import os
import resource
import signal
import time

import pytest

from support import process
from support.client import message
from support.wait import until

pytestmark = pytest.mark.beyond_gunicorn

MIB = 1 << 20


@pytest.fixture(scope="module", autouse=True)
def many_descriptors():
    """Both sides need a descriptor a connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def server(serve):
    return serve("clients:application", "--worker-connections", 3000)


def fast_answers(server, path="/"):
    """The times of twenty requests, each on a connection of its own, in order of length."""
    times = []
    for _ in range(20):
        start = time.monotonic()
        assert server.get(path).status == 200
        times.append(time.monotonic() - start)
    return sorted(times)


def assert_fast(server):
    """A stalled worker would take for ever; a shared machine may now and then take long."""
    times = fast_answers(server)
    assert times[len(times) // 2] < 0.1, times


def test_silent_connections(server):
    with contextlib.ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(server.connect())
        assert_fast(server)


def test_connections_that_stop_in_the_head_or_body(server):
    starts = (b"G", b"GET / HTTP/1.1\r\nHos", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab")
    with contextlib.ExitStack() as stack:
        for number in range(300):
            stack.enter_context(server.connect()).send(starts[number % 3])
        assert_fast(server)


def test_senders_of_single_bytes_are_all_served(server):
    request = message("POST", "/", body=b"slowly")
    with contextlib.ExitStack() as stack:
        senders = [stack.enter_context(server.connect()) for _ in range(100)]
        for position in range(len(request)):
            for sender in senders:
                sender.send(request[position : position + 1])
            if position == len(request) // 2:
                assert_fast(server)
        for sender in senders:
            assert sender.receive().body == b"slowly"


@pytest.mark.parametrize("path", ["/large", "/large-stream"])
def test_receivers_that_do_not_read(server, path):
    """300 MB of answers wait for their clients; the worker neither waits nor holds them all."""
    server.get("/")
    (worker,) = server.workers
    with contextlib.ExitStack() as stack:
        receivers = []
        for _ in range(60):
            receiver = stack.enter_context(server.connect(receive_buffer=4096))
            receiver.send(message("GET", path))
            receivers.append(receiver)
        assert_fast(server)
        assert process.rss(worker) < 160 * MIB
        # Whoever reads at last gets all of it.
        for receiver in receivers[::20]:
            assert receiver.receive().body == b"x" * 5_000_000


@pytest.mark.over("sync", reason="each request sends what its socket takes at once")
def test_receivers_that_come_with_a_request_do_not_go_before_it(server):
    """Fifty receivers and one short request are there at once, in this order.

    Most of what the sockets take is copied into them after the short request. Measured in the worker's
    own time, which does not pass while the machine does something else.
    """
    start = float(server.get("/cpu").text)
    (worker,) = server.workers
    with contextlib.ExitStack() as stack:
        receivers = [stack.enter_context(server.connect()) for _ in range(50)]
        good = stack.enter_context(server.connect())
        assert good.get("/").status == 200
        os.kill(worker, signal.SIGSTOP)
        for receiver in receivers:
            receiver.send(message("GET", "/large"))
        good.send(message("GET", "/cpu"))
        os.kill(worker, signal.SIGCONT)
        waited = float(good.receive().text) - start
        total = until_calm(server) - start
        assert waited < max(total / 2, 0.05), (waited, total)
        assert spool_files(worker) == 0, "all of them get the same object"
        for receiver in receivers[::10]:
            assert receiver.receive().body == b"x" * 5_000_000


def until_calm(server):
    """Wait until the worker has nothing to do but to answer this; the time it has used by then."""
    readings = [0.0]

    def is_calm():
        readings.append(float(server.get("/cpu").text))
        return readings[-1] - readings[-2] < 0.005

    until(is_calm, "an idle worker")
    return readings[-1]


def spool_files(worker):
    """How many files without a name the worker has open."""
    return sum(link.endswith("(deleted)") for link in process.open_files(worker))


def test_a_receiver_that_leaves_harms_nobody(server):
    server.get("/")
    (worker,) = server.workers
    for path in ("/large", "/large-stream"):
        for _ in range(10):
            with server.connect(receive_buffer=4096) as connection:
                connection.send(message("GET", path))
                assert connection.receive_head().status == 200
    assert server.get("/").status == 200
    assert server.workers == [worker]
    assert "Traceback" not in server.log


def test_everything_at_once(server):
    """Silent ones, senders of single bytes and receivers that do not read."""
    request = message("POST", "/", body=b"slowly")
    with contextlib.ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(server.connect())
        senders = [stack.enter_context(server.connect()) for _ in range(200)]
        for _ in range(50):
            receiver = stack.enter_context(server.connect(receive_buffer=4096))
            receiver.send(message("GET", "/large"))
        for position in range(len(request)):
            for sender in senders:
                sender.send(request[position : position + 1])
            if position % 40 == 0:
                assert_fast(server)
        assert all(sender.receive().body == b"slowly" for sender in senders)
