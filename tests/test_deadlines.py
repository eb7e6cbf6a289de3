"""``timeout`` bounds each request: 504 for the client, a record for the operator, a new worker."""

import contextlib
import json
import os
import signal
import sys
import time

import pytest

from support import process
from support.client import message
from support.load import Load
from support.server import IS_ASGI
from support.wait import until

pytestmark = pytest.mark.beyond_gunicorn

APP = "hanging:application"
ASGI_APP = "hanging_asgi:application"
CLASSES = pytest.mark.parametrize("threads", [1, 4], ids=["sync", "gthread"])

#: With asgi a task takes its first step when it is made.
TASKS_START_AT_ONCE = sys.version_info >= (3, 12)


def ask(master, target, headers=()):
    """A connection that has sent a request."""
    connection = master.connect()
    connection.send(message("GET", target, headers))
    return connection


def on_loop(name):
    """Arguments for the asgi class with this loop."""
    return ("--worker-class", "asgi", "--asgi-loop", name)


def timed_out(master, target, count):
    """The records of requests for this that timed out, once there are so many."""
    records = master.log.split("Request timed out after ")[1:]
    found = [record for record in records if f" GET {target} from a unix socket" in record[:80]]
    return found if len(found) == count and "most recent call last" in found[-1] else None


@CLASSES
@pytest.mark.parametrize("target", ["/hang", "/swallow"])
def test_a_hung_request_is_answered_reported_and_its_worker_replaced(start, threads, target):
    config = "def worker_abort(worker): print('worker_abort', flush=True)\n"
    master = start("--timeout", "1", "--threads", threads, app=APP, config=config)
    before = master.up(1)
    (worker,) = before
    began = time.monotonic()
    with ask(master, target, [("X-Request-ID", "r-4711")]) as connection:
        response = connection.receive()
        took = time.monotonic() - began
        assert connection.is_closed()
    assert response.status == 504
    assert response.header("Connection") == "close"
    assert took >= 0.95
    master.replaced(before, 1)
    until(master.answers, "an answer")
    log = master.wait_for_log("Request timed out after ")
    assert log.count("Request timed out after") == 1
    line = next(line for line in log.splitlines() if "Request timed out" in line)
    assert f"GET {target} from a unix socket, request id r-4711, in worker (pid:{worker});" in line
    where = "in hang_here" if target == "/hang" else "in swallow"
    assert where in log.partition("Request timed out")[2]
    assert log.count("worker_abort") == 1


def test_a_worker_does_not_leave_before_its_record_is_written(start):
    config = """
import time
from gunicorn.glogging import Logger

class Slow(Logger):
    def error(self, message, *arguments, **keywords):
        if message.startswith("Request timed out"):
            time.sleep(0.4)
        super().error(message, *arguments, **keywords)

logger_class = Slow
"""
    master = start("--timeout", "1", app=APP, config=config)
    before = master.up(1)
    with ask(master, "/hang") as connection:
        assert connection.receive().status == 504
    master.replaced(before, 1)
    master.wait_for_log("Request timed out after ")


def test_a_hung_greenlet_is_answered_and_found(start):
    pytest.importorskip("gevent")
    # Longer than a busy machine takes for a heartbeat.
    master = start("--timeout", "4", "--worker-class", "gevent", app=APP)
    before = master.up(1)
    with ask(master, "/stream/8") as neighbour, ask(master, "/hang") as hung:
        assert hung.receive().status == 504
        assert "in hang_here" in master.wait_for_log("Its thread is at").partition("timed out")[2]
        master.replaced(before, 1)
        assert neighbour.receive().text == "begun ended"
    assert master.answers()


@pytest.mark.parametrize("target", ["/hang", "/late/1.5"])
@pytest.mark.parametrize("worker_class", ["sync", "gthread", "gevent"])
def test_the_access_log_has_one_line(start, worker_class, target):
    if worker_class == "gevent":
        pytest.importorskip("gevent")
    form = '%(s)s %(r)s "%(f)s" %(D)s'
    arguments = ("--timeout", "1", "--access-logfile", "access.log", "--access-logformat", form)
    master = start(*arguments, "--worker-class", worker_class, app=APP)
    before = master.up(1)
    with ask(master, target, [("Referer", "/from")]) as connection:
        assert connection.receive().status == 504
    master.replaced(before, 1)
    lines = (master.folder / "access.log").read_text().splitlines()
    (line,) = [line for line in lines if target in line]
    start_of_line, _, took = line.rpartition(" ")
    assert start_of_line == f'504 GET {target} HTTP/1.1 "/from"'
    assert 900_000 <= int(took)


@pytest.mark.over("sync", "gthread", reason="elsewhere one worker may run all of them at a time")
@CLASSES
def test_everybody_is_answered_when_all_capacity_hangs(start, threads):
    arguments = ("--timeout", "1", "--threads", threads, "--workers", "2")
    master = start(*arguments, app=APP)
    before = master.up(2)
    with contextlib.ExitStack() as clients:
        hung = [clients.enter_context(ask(master, "/hang")) for _ in range(2 * threads)]
        assert {connection.receive().status for connection in hung} == {504}
    master.replaced(before, 2)
    assert master.answers()


@pytest.mark.over("sync", "gthread", reason="elsewhere one worker may run all of them at a time")
@CLASSES
def test_those_behind_hung_requests_are_not_lost_and_have_waited_as_well(start, threads):
    timeout = 4
    master = start("--timeout", timeout, "--workers", "2", "--threads", threads, app=APP)
    before = master.up(2)
    began = time.monotonic()
    with contextlib.ExitStack() as clients:
        # Twice as many as run at a time, and some that are no trouble.
        hung = [clients.enter_context(ask(master, "/hang")) for _ in range(4 * threads)]
        others = [clients.enter_context(ask(master, "/pid")) for _ in range(3)]
        assert {connection.receive().status for connection in hung} == {504}
        # The second half got a part of the time; alone they would have had all of it.
        assert time.monotonic() - began < 2 * timeout
        assert {connection.receive().status for connection in others} == {200}
    master.replaced(before, 2)
    until(
        lambda: master.log.count("Request timed out after") == 4 * threads,
        "all records",
    )


@pytest.mark.names_class
@pytest.mark.parametrize(
    ("arguments", "app", "target", "capacity"),
    [
        ((), APP, "/hang", 2),
        (("--threads", "4"), APP, "/hang", 8),
        (on_loop("asyncio"), ASGI_APP, "/hang", 4),
        (on_loop("uvloop"), ASGI_APP, "/hang", 4),
        (on_loop("asyncio"), ASGI_APP, "/block", 2),
        (on_loop("uvloop"), ASGI_APP, "/block", 2),
    ],
    ids=["sync", "gthread", "tasks-asyncio", "tasks-uvloop", "loops-asyncio", "loops-uvloop"],
)
def test_others_are_served_again_while_twice_the_capacity_hangs(
    start, arguments, app, target, capacity
):
    if "uvloop" in arguments:
        pytest.importorskip("uvloop")
    timeout = 2
    master = start("--workers", "2", "--timeout", timeout, *arguments, app=app)
    master.up(2)
    with (
        Load(str(master.folder / "s"), clients=4, pause=0.05) as load,
        contextlib.ExitStack() as clients,
    ):
        began = time.monotonic()
        hung = [clients.enter_context(ask(master, target)) for _ in range(2 * capacity)]
        assert {connection.receive().status for connection in hung} == {504}
        # They were sent one after the other, so nobody waited for longer than this.
        assert time.monotonic() - began < 3
        load.more()
    assert not load.failures
    # A task that has not had its turn yet shares the fate of the one that blocks its loop.
    shares = {504} if target == "/block" and not TASKS_START_AT_ONCE else set()
    assert {200} <= set(load.statuses) <= {200} | shares
    assert load.slowest < 4
    records = until(lambda: timed_out(master, target, len(hung)), "all records")
    where = "in hang_here" if target == "/hang" else "in block_here"
    assert all(where in record for record in records)


@pytest.mark.over("sync", "gthread", reason="elsewhere nobody waits behind a hung request")
@CLASSES
def test_the_replacement_of_a_single_worker_serves_those_who_waited_for_it(
    start, tmp_path, threads
):
    master = start("--timeout", "2", "--threads", threads, app=APP)
    before = master.up(1)
    with contextlib.ExitStack() as clients:
        kept = [clients.enter_context(master.connect()) for _ in range(2)]
        for connection in kept:
            connection.send(message("GET", "/pid"))
            assert connection.receive().text == str(*before)
        marks = [tmp_path / str(number) for number in range(threads)]
        hung = [clients.enter_context(ask(master, f"/hang{mark}")) for mark in marks]
        until(lambda: all(mark.exists() for mark in marks), "requests that hang")
        waiting, idle = kept
        waiting.send(message("GET", "/pid"))
        new = clients.enter_context(ask(master, "/pid"))
        assert {connection.receive().status for connection in hung} == {504}
        answers = [connection.receive() for connection in (waiting, new)]
        idle.send(message("GET", "/pid"))
        answers.append(idle.receive())
    assert {answer.status for answer in answers} == {200}
    assert not before & {int(answer.text) for answer in answers}


@pytest.mark.over("sync", "asgi", reason="elsewhere the signal interrupts no request")
@pytest.mark.skipif(
    IS_ASGI and not TASKS_START_AT_ONCE, reason="both are tasks before the first takes its step"
)
def test_a_worker_that_is_aborted_begins_nothing_more(start):
    """What waited has been given away, and must not be taken back in the second before the worker is killed."""
    master = start("--timeout", "1", app=APP)
    (worker,) = master.up(1)
    with master.connect() as hung, master.connect() as other:
        for connection in hung, other:
            connection.send(message("GET", "/pid"))
            assert connection.receive().text == str(worker)
        # So that they come together, and in this order: a worker that has not slept since may still look first where
        # the last one came from.
        until(lambda: process.sleeps(worker), "an idle worker")
        os.kill(worker, signal.SIGSTOP)
        until(lambda: process.is_stopped(worker), "a worker that reads nothing")
        hung.send(message("GET", "/hang"))
        other.send(message("GET", "/pid"))
        os.kill(worker, signal.SIGCONT)
        assert hung.receive().status == 504
        response = other.receive()
        assert (response.status, response.text != str(worker)) == (200, True)


def test_neighbours_of_a_hung_request_are_served(start):
    # Longer than a busy machine takes for a heartbeat.
    master = start("--timeout", "4", "--threads", "4", app=APP)
    before = master.up(1)
    with Load(str(master.folder / "s"), clients=2, pause=0.002) as load:
        with ask(master, "/stream/8") as neighbour, ask(master, "/hang") as hung:
            assert hung.receive().status == 504
            master.replaced(before, 1)
            # A response that has begun is not bound by timeout; its worker waited for it.
            assert neighbour.receive().text == "begun ended"
        load.more()
    assert not load.failures
    assert set(load.statuses) == {200}
    assert "Death of" not in master.log


def test_the_record_as_json(start):
    master = start("--timeout", "1", "--log-format", "json", app=APP)
    (worker,) = master.up(1)
    with ask(master, "/hang", [("X-Request-ID", "r\xe91")]) as connection:
        assert connection.receive().status == 504
    log = master.wait_for_log("request.timeout")
    entry = next(json.loads(line) for line in log.splitlines() if "request.timeout" in line)
    request = entry["request"]
    assert (request["method"], request["target"], request["worker"]) == ("GET", "/hang", worker)
    assert request["request_id"] == "r\\xe91"
    assert request["age_s"] >= 1
    assert "in hang_here" in entry["code.stacktrace"]


def test_head_gets_the_head_of_the_answer(start):
    master = start("--timeout", "1", app=APP)
    master.up(1)
    with master.connect() as connection:
        connection.send(message("HEAD", "/hang"))
        response = connection.receive(head=True)
        assert response.status == 504
        assert connection.is_closed()


def test_no_timeout_no_watchdog(start):
    master = start("--timeout", "0", app=APP)
    master.up(1)
    with ask(master, "/stream/2") as connection:
        assert connection.receive().text == "begun ended"
    assert "timed out" not in master.log
