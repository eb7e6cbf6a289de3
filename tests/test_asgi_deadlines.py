"""``timeout`` bounds the requests of an ASGI application: 504, a record with the task's stack, an end of the task."""

import contextlib

import pytest
from websockets.sync.client import unix_connect

from support.client import message
from support.wait import until

pytestmark = pytest.mark.beyond_gunicorn

APP = "hanging_asgi:application"
ASGI = ("--worker-class", "asgi", "--timeout", "1")

#: For a worker that is to live on: longer than a busy machine takes for a heartbeat.
LASTING = ("--worker-class", "asgi", "--timeout", "4")
HOOK = "def worker_abort(worker): print('worker_abort', flush=True)\n"


def ask(master, target, headers=()):
    """A connection that has sent a request."""
    connection = master.connect()
    connection.send(message("GET", target, headers))
    return connection


def test_the_task_is_cancelled_and_everything_else_goes_on(start):
    log = ("--access-logfile", "access.log", "--access-logformat", "%(s)s %(U)s %(f)s %(D)s")
    master = start(*LASTING, *log, app=APP, config=HOOK)
    (worker,) = master.up(1)
    fields = [("X-Request-ID", "r-4711"), ("Referer", "/from")]
    with ask(master, "/stream/7") as neighbour, ask(master, "/hang", fields) as hung:
        response = hung.receive()
        assert hung.is_closed()
        assert response.status == 504
        assert response.header("Connection") == "close"
        record = master.wait_for_log("in hang_here")
        assert neighbour.receive().text == "begun ended"
    assert record.count("Request timed out after") == 1
    line = next(line for line in record.splitlines() if "Request timed out" in line)
    assert f"GET /hang from a unix socket, request id r-4711, in worker (pid:{worker});" in line
    assert line.endswith("answered with 504. Its task is at (most recent call last):")
    until(lambda: "worker_abort" in master.log, "the hook")
    with ask(master, "/ended") as later:
        assert later.receive().text == "/hang"
    with ask(master, "/pid") as later:
        assert later.receive().text == str(worker)
    assert "was cancelled" not in master.log
    assert "Traceback" not in master.log
    lines = (master.folder / "access.log").read_text().splitlines()
    (line,) = [line for line in lines if "/hang" in line]
    status, took = line.rsplit(" ", 1)
    assert status == "504 /hang /from"
    assert int(took) >= 3_900_000


def test_the_record_follows_a_task_to_those_it_waits_for(start):
    master = start(*ASGI, app=APP)
    master.up(1)
    with ask(master, "/together") as hung:
        assert hung.receive().status == 504
    record = master.wait_for_log("in hang_here")
    assert "in application" in record.partition("Request timed out")[2]


def test_a_task_that_goes_on_costs_its_worker_but_no_neighbour(start):
    master = start(*LASTING, app=APP)
    before = master.up(1)
    with ask(master, "/stream/9") as neighbour, ask(master, "/swallow") as hung:
        assert hung.receive().status == 504
        assert "in swallow" in master.wait_for_log("Its task is at").partition("timed out")[2]
        master.replaced(before, 1)
        assert neighbour.receive().text == "begun ended"
    assert master.answers()
    assert "Death of" not in master.log


def test_a_blocked_loop_is_found(start):
    master = start(*ASGI, app=APP)
    before = master.up(1)
    with ask(master, "/hang") as waiting, ask(master, "/block") as blocking:
        assert waiting.receive().status == 504
        assert blocking.receive().status == 504
    master.replaced(before, 1)
    assert "in block_here" in master.wait_for_log("GET /block from")
    assert master.answers()


def test_who_waits_for_a_blocked_loop_is_served_by_the_replacement(start, tmp_path):
    master = start(*ASGI[:2], "--timeout", "2", app=APP)
    before = master.up(1)
    mark = tmp_path / "mark"
    with contextlib.ExitStack() as clients:
        kept = [clients.enter_context(ask(master, "/pid")) for _ in range(4)]
        assert {int(connection.receive().text) for connection in kept} == before
        blocking = [clients.enter_context(ask(master, f"/block{mark}"))]
        until(mark.exists, "a loop that is blocked")
        # Of those that are not started one would block as well.
        blocking.append(clients.enter_context(ask(master, "/block")))
        waiting, idle = kept[:2], kept[2:]
        for connection in waiting:
            connection.send(message("GET", "/pid"))
        assert {connection.receive().status for connection in blocking} == {504}
        # A task that never got its turn beside the second one shares its fate.
        assert {connection.receive().status for connection in waiting} <= {200, 504}
        for connection in idle:
            connection.send(message("GET", "/pid"))
            assert int(connection.receive().text) not in before
    until(lambda: "GET /block from" in master.log, "the record of the second")


def test_websockets_are_exempt(start):
    master = start(*LASTING, app=APP)
    (worker,) = master.up(1)
    with unix_connect(str(master.folder / "s"), "ws://localhost/") as websocket:
        with ask(master, "/hang") as hung:
            assert hung.receive().status == 504
        websocket.send("still here")
        assert websocket.recv() == "still here"
    with ask(master, "/pid") as later:
        assert later.receive().text == str(worker)
