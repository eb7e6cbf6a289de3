"""One queue over all workers: what waits for a busy worker is served by an idle one."""

import os
import signal
import threading

import pytest

from support import users
from support.client import message
from support.wait import until

pytestmark = pytest.mark.beyond_gunicorn


def one_in_ten_is_slow(random):
    return "/sleep/50" if random.random() < 0.1 else "/fast"


def only_fast(random):
    return "/fast"


def only_slow(random):
    return "/sleep/300"


def ready(serve, workers, *arguments):
    """A server of which every worker serves."""
    server = serve("dispatch:application", *arguments, workers=workers)
    until(lambda: len(server.workers) == workers, f"{workers} workers")
    # As many long requests at once as there are workers: each of them gets one.
    seen = set()

    def all_have_answered():
        connections = [server.connect() for _ in range(2 * workers)]
        for connection in connections:
            connection.send(message("GET", "/sleep/20", [("Connection", "close")]))
        seen.update(connection.receive().text for connection in connections)
        return len(seen) == workers

    until(all_have_answered, f"{workers} workers that serve")
    return server


@pytest.mark.over("sync", reason="a call that waits holds up nobody there")
def test_fast_requests_wait_less_with_hand_off(serve):
    plan = users.Plan(users=16, seconds=4, choose=one_in_ten_is_slow, think=0.06)

    def mean(*arguments):
        samples = users.run(ready(serve, 2, *arguments).address, plan)
        assert {sample.status for sample in samples} == {200}
        return users.mean(users.latencies(samples, "/fast"))

    # Measured on a quiet machine: less than half.
    assert mean() < 0.8 * mean("--no-handoff")


@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "new"])
def test_two_workers_kept_busy_do_not_hold_up_the_other_two(serve, keeps):
    server = ready(serve, 4)
    slow = users.Plan(users=2, seconds=4.5, choose=only_slow)
    fast = users.Plan(users=10, seconds=4, choose=only_fast, think=0.02, keeps=keeps)
    background = threading.Thread(target=users.run, args=(server.address, slow))
    background.start()
    samples = users.run(server.address, fast)
    background.join()
    assert {sample.status for sample in samples} == {200}
    late = [sample for sample in samples if sample.latency > 0.05]
    # Measured on a quiet machine: less than 3 in 100.
    assert len(late) < 0.1 * len(samples)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--threads", "2"),
        ("--worker-class", "asgi"),
    ],
    ids=["sync", "gthread", "asgi"],
)
def test_a_kept_connection_survives_the_end_of_its_worker(serve, arguments):
    server = ready(serve, 2, *arguments)
    with server.connect() as connection:
        before = connection.get("/").text
        os.kill(int(before), signal.SIGTERM)
        until(lambda: int(before) not in server.workers, "the end of the worker")
        response = connection.get("/")
        assert response.status == 200
        assert response.text != before


def test_gthread_gives_away_what_comes_while_all_its_threads_are_busy(serve, tmp_path):
    server = ready(serve, 2, "--threads", "2")
    found = {}

    def three_of_one_worker():
        connection = server.connect()
        of_worker = found.setdefault(connection.get("/").text, [])
        of_worker.append(connection)
        return of_worker if len(of_worker) == 3 else None

    *held, kept = until(three_of_one_worker, "three connections of one worker")
    (busy,) = (pid for pid, connections in found.items() if kept in connections)
    marks = [tmp_path / "one", tmp_path / "two"]
    for connection, mark in zip(held, marks, strict=True):
        connection.send(message("GET", f"/touch-and-sleep{mark}"))
    until(lambda: all(mark.exists() for mark in marks), "two calls that are under way")
    assert kept.get("/").text != busy
    assert [connection.receive().text for connection in held] == [busy, busy]
    for connections in found.values():
        for connection in connections:
            connection.close()
