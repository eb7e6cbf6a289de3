"""A worker that is killed: who was at a request gets 502, everybody else goes on."""

import contextlib
import os
import select
import signal
import time
from pathlib import Path

import pytest

from support import process
from support.client import message
from support.load import Load
from support.master import is_alive
from support.wait import DEADLINE, until

pytestmark = pytest.mark.beyond_gunicorn

APP = "dying:application"
GET = message("GET", "/pid")

#: What the application of ``slow_application`` takes to be imported, in seconds.
IMPORT = 0.5


def begin(master, target):
    """A connection whose request is in the application."""
    connection = master.connect()
    connection.send(message("GET", target))
    master.wait_for_log(f"begun {target}")
    return connection


def idle(master, count, clients):
    """So many connections that have made a request and may make another; with the pids that answered."""
    connections = [clients.enter_context(master.connect()) for _ in range(count)]
    found = [(connection, connection.get("/pid").pid) for connection in connections]
    # An answer is there a moment before its connection is idle.
    until(lambda: all(process.sleeps(pid) for pid in master.workers), "idle workers")
    return found


def descriptors(pid):
    """How many the process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.fixture
def slow_application(tmp_path):
    """The application, as one that takes its time to be imported."""
    text = f"import time\ntime.sleep({IMPORT})\nfrom dying import application as app\n"
    (tmp_path / "slow.py").write_text(text)
    return "slow:app"


@contextlib.contextmanager
def deaths(pids):
    """A function that waits for the first death among these processes and tells its time."""
    with contextlib.ExitStack() as files:
        watched = [files.enter_context(os.fdopen(os.pidfd_open(pid))) for pid in pids]

        def first():
            assert select.select(watched, [], [], DEADLINE)[0], "nobody died"
            return time.monotonic()

        yield first


def first_answer(load, before):
    """When somebody else than these workers has answered."""
    old = {str(pid) for pid in before}

    def found():
        answers = [answer for answer in list(load.answers) if answer.status == 200]
        return [answer for answer in answers if answer.text not in old]

    return min(answer.began + answer.took for answer in until(found, "a new worker's answer"))


def refused(connection):
    """Whether it gets 502 and ends."""
    response = connection.receive()
    return (response.status, response.header("Connection")) == (502, "close") and (
        response.complete and connection.is_closed()
    )


def test_a_request_in_flight_is_answered(start):
    master = start(app=APP)
    (worker,) = master.up(1)
    with begin(master, "/wait/60") as connection:
        os.kill(worker, signal.SIGKILL)
        assert refused(connection)
    until(lambda: master.answers() not in (None, str(worker)), "the answer of a new worker")


def test_so_it_is_when_the_application_ends_the_process(start):
    master = start(app=APP)
    master.up(1)
    with begin(master, "/exit/7") as connection:
        assert refused(connection)
    master.wait_for_log("exit code 7")


def test_all_requests_of_a_worker_are_answered(start):
    master = start("--threads", "4", app=APP)
    (worker,) = master.up(1)
    connections = [begin(master, f"/wait/60.{number}") for number in range(3)]
    os.kill(worker, signal.SIGKILL)
    assert all(refused(connection) for connection in connections)


@pytest.mark.over("gevent", "asgi", reason="so many requests at a time would need as many threads")
def test_more_requests_than_the_scoreboard_lists_are_answered(start):
    master = start(app=APP)
    (worker,) = master.up(1)
    connections = [master.connect() for _ in range(100)]
    for connection in connections:
        connection.send(message("GET", "/wait/60"))
    master.wait_for_log("begun /wait/60", len(connections))
    os.kill(worker, signal.SIGKILL)
    assert all(refused(connection) for connection in connections)


def test_a_request_that_has_not_come_whole_is_answered(start):
    master = start(app=APP)
    (worker,) = master.up(1)
    with master.connect() as connection:
        connection.send(b"POST /wait/60 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
        # The worker has read it when it answers who comes later.
        assert master.answers() == str(worker)
        os.kill(worker, signal.SIGKILL)
        assert refused(connection)


def test_a_request_that_was_told_to_go_on_is_answered(start):
    master = start(app=APP)
    (worker,) = master.up(1)
    with master.connect() as connection:
        fields = [("Content-Length", "9"), ("Expect", "100-continue")]
        connection.send(message("POST", "/read", fields))
        assert connection.receive(interim=True).status == 100
        assert master.answers() == str(worker)
        os.kill(worker, signal.SIGKILL)
        assert refused(connection)


def test_a_request_that_got_early_hints_is_answered(start):
    master = start(app=APP)
    (worker,) = master.up(1)
    with begin(master, "/hint/60") as connection:
        assert connection.receive(interim=True).status == 103
        master.wait_for_log("hinted")
        os.kill(worker, signal.SIGKILL)
        assert refused(connection)


def test_with_preload_app_as_well(start):
    master = start("--preload", app=APP)
    (worker,) = master.up(1)
    with contextlib.ExitStack() as clients:
        [(connection, _)] = idle(master, 1, clients)
        waiting = clients.enter_context(begin(master, "/wait/60"))
        os.kill(worker, signal.SIGKILL)
        assert refused(waiting)
        assert connection.get("/pid").pid != worker


def test_a_kill_while_the_worker_leaves_is_answered(start):
    master = start(app=APP)
    (worker,) = master.up(1)
    with begin(master, "/wait/60") as connection:
        master.send("TERM")
        master.wait_for_log("Handling signal: term")
        os.kill(worker, signal.SIGKILL)
        assert refused(connection)


@pytest.mark.over("gthread", "gevent", "asgi", reason="sync finishes a call, whatever it takes")
def test_a_worker_that_leaves_in_time_says_nothing(start):
    """A proxy asks elsewhere then, where it can; 502 it would pass on."""
    master = start("--graceful-timeout", "1", app=APP)
    before = master.up(1)
    with begin(master, "/wait/60") as connection:
        master.send("HUP")
        assert connection.receive_all() == b""
        master.replaced(before, 1)


@pytest.mark.over(
    "gthread", "gevent", "asgi", reason="sync raises SystemExit in the call, which is 500"
)
def test_quit_to_a_worker_says_nothing(start):
    master = start(app=APP)
    before = master.up(1)
    with begin(master, "/wait/60") as connection:
        os.kill(*before, signal.SIGQUIT)
        assert connection.receive_all() == b""
    master.replaced(before, 1)


def test_a_response_that_has_begun_breaks_off(start):
    master = start("--threads", "2", app=APP)
    (worker,) = master.up(1)
    with begin(master, "/begin/60") as connection:
        assert connection.receive_head().status == 200
        assert connection.receive_chunk() == b"begun"
        os.kill(worker, signal.SIGKILL)
        assert connection.receive_all() == b""


def test_idle_connections_go_on_with_another_worker(start):
    master = start("--workers", "2", app=APP)
    before = master.up(2)
    with contextlib.ExitStack() as clients:
        connections = idle(master, 300, clients)
        fresh = [clients.enter_context(master.connect()) for _ in range(20)]
        # One that is being accepted in that very instant is lost.
        until(lambda: all(process.sleeps(pid) for pid in before), "idle workers")
        killed, left = before
        os.kill(killed, signal.SIGKILL)
        for connection in [*(connection for connection, _ in connections), *fresh]:
            response = connection.get("/pid")
            assert (response.status, response.pid != killed) == (200, True)
        assert {pid for _, pid in connections} <= {killed, left}


def test_idle_connections_of_the_only_worker_go_on_with_the_next(start):
    master = start(app=APP)
    (worker,) = master.up(1)
    with contextlib.ExitStack() as clients:
        connections = idle(master, 20, clients)
        os.kill(worker, signal.SIGKILL)
        for connection, pid in connections:
            assert pid == worker
            assert connection.get("/pid").pid != worker


def test_a_request_that_nobody_has_read_yet_is_served(start):
    master = start("--workers", "2", app=APP)
    master.up(2)
    with contextlib.ExitStack() as clients:
        [(connection, worker)] = idle(master, 1, clients)
        os.kill(worker, signal.SIGSTOP)
        until(lambda: process.is_stopped(worker), "a worker that reads nothing")
        connection.send(GET)
        os.kill(worker, signal.SIGKILL)
        response = connection.receive()
        assert (response.status, response.pid != worker) == (200, True)


def test_connections_that_a_proxy_has_spoken_for_end(start):
    """What it said is known to the worker alone."""
    master = start("--proxy-protocol", "--workers", "2", app=APP)
    master.up(2)
    proxy = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"
    with contextlib.ExitStack() as clients:
        connections = [clients.enter_context(master.connect()) for _ in range(2)]
        fresh = clients.enter_context(master.connect())
        connections[0].send(proxy + GET)
        killed = connections[0].receive().pid
        os.kill(killed, signal.SIGKILL)
        assert connections[0].is_closed()
        # A new connection may still have something to say.
        for connection in connections[1], fresh:
            connection.send(proxy + GET)
            assert connection.receive().pid != killed


def test_kills_under_load_cost_the_requests_in_flight_and_nothing_else(start):
    master = start("--workers", "2", app=APP)
    master.up(2)
    clients, kills = 6, 20
    with Load(str(master.folder / "s"), target="/wait/0.002", clients=clients) as load:
        held = descriptors(master.pid)
        for _ in range(kills):
            before = master.workers
            killed = before[0]
            os.kill(killed, signal.SIGKILL)
            until(lambda gone=killed: gone not in master.workers, "the end of the worker")
            until(lambda: len(master.workers) == 2, "a new worker")
            load.more(clients)
        load.more()
        until(lambda: len(process.keepers(master.pid)) == 2, "a keeper for each worker")
    # A connection may be between two workers in that very instant.
    assert len(load.failures) <= 2, load.failures
    assert set(load.statuses) <= {200, 502}
    # What is in the application, and at most as many that the worker has read.
    assert load.statuses[502] <= kills * clients
    assert load.statuses[200] > load.statuses[502]
    assert descriptors(master.pid) == held


@pytest.mark.parametrize("way", ["kill", "segfault"])
def test_capacity_is_back_within_a_second_beyond_the_import(start, slow_application, way):
    master = start("--workers", "2", app=slow_application)
    before = master.up(2)
    # Each request on a connection of its own, and more than one worker likes to do.
    load = Load(str(master.folder / "s"), "/wait/0.02", clients=8, keep_alive=False)
    with deaths(before) as first_death, load:
        with begin(master, f"/{way}") as connection:
            died = first_death()
            assert refused(connection)
        served = first_answer(load, before)
    assert served - died < IMPORT + 1
    # A connection may be between two workers in that very instant.
    assert len(load.failures) <= 1, load.failures
    assert set(load.statuses) <= {200, 502}


def test_keepers_come_and_go_with_their_workers(start):
    master = start("--workers", "2", app=APP)
    before = master.up(2)
    held = descriptors(master.pid)
    with contextlib.ExitStack() as clients:
        [(connection, _)] = idle(master, 1, clients)
        for _ in range(20):
            master.send("HUP")
            master.replaced(before, 2)
            before = set(master.workers)
        assert connection.get("/pid").status == 200
    until(lambda: len(process.keepers(master.pid)) == 2, "a keeper for each worker")
    assert descriptors(master.pid) == held
    master.send("TERM")
    assert master.exit_status() == 0
    until(lambda: not process.keepers(master.pid), "the end of all keepers")


def test_keepers_do_not_outlive_the_arbiter(start):
    master = start("--workers", "2", app=APP)
    workers = master.up(2)
    until(lambda: len(process.keepers(master.pid)) == 2, "a keeper for each worker")
    os.kill(master.pid, signal.SIGKILL)
    master.strays |= workers
    until(lambda: not any(is_alive(pid) for pid in workers), "the end of the workers")
    until(lambda: not process.keepers(master.pid), "the end of all keepers")


def test_a_worker_serves_on_without_its_keeper(start):
    master = start(app=APP)
    (worker,) = master.up(1)
    (keeper,) = process.keepers(master.pid)
    os.kill(keeper, signal.SIGKILL)
    assert master.answers() == str(worker)
    assert master.workers == [worker]


def test_signals_to_the_group_do_not_end_the_keeper(start):
    master = start(app=APP)
    (worker,) = master.up(1)
    (keeper,) = process.keepers(master.pid)
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1:
        os.kill(keeper, number)
    with begin(master, "/wait/60") as connection:
        os.kill(worker, signal.SIGKILL)
        assert refused(connection)


@pytest.mark.parametrize("arguments", [(), ("--preload",)], ids=["", "preload"])
def test_where_memory_runs_out_the_arbiter_is_not_the_first_to_go(start, arguments):
    master = start(*arguments, app=APP)
    (worker,) = master.up(1)

    def handicap(pid):
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text())

    if handicap(master.pid) in (-1000, 1000):
        pytest.skip("the kernel has its orders already: oom_score_adj is at an end of its range")
    assert handicap(worker) > handicap(master.pid)


def test_out_of_memory(memory_group, start, slow_application):
    master = start(
        *("--workers", "2"),
        app=slow_application,
        preexec_fn=lambda: memory_group.write_text(str(os.getpid())),
    )
    before = master.up(2)
    # Without a line in the log for each request: that is written at any price, and there is no memory.
    load = Load(str(master.folder / "s"), "/pause/0.02", clients=8, keep_alive=False)
    with deaths(before) as first_death, load:
        with begin(master, "/memory") as connection:
            died = first_death()
            assert refused(connection)
        served = first_answer(load, before)
        assert len(before & set(master.workers)) == 1
        load.more()
    assert served - died < IMPORT + 1
    report = master.wait_for_log("Death of worker")
    assert "SIGKILL, out of memory" in report
    assert "GET /memory from" in report.partition("; was serving ")[2]
    assert not load.failures
    assert set(load.statuses) <= {200, 502}
