"""The tornado worker: applications of tornado's own, and WSGI between the callbacks of its loop."""

import importlib.util
import os
import signal

import pytest

from support.client import message
from support.wait import until

pytestmark = [pytest.mark.beyond_gunicorn, pytest.mark.names_class]

if importlib.util.find_spec("tornado") is None:
    pytest.skip("tornado is not installed here", allow_module_level=True)


@pytest.fixture
def site(start):
    """Start tornado's application."""

    def site(*arguments, app="tornado_site:application", **options):
        return start("--worker-class", "tornado", *arguments, app=app, **options)

    return site


def test_an_application_of_tornados_own(site):
    master = site("--workers", "2")
    workers = master.up(2)
    with master.connect() as connection:
        for _ in range(3):
            assert int(connection.get("/pid").text) in workers
        assert connection.post("/pid", b"body").text == "body"
        assert connection.get("/").status == 404
        assert "TornadoServer" in connection.get("/pid").header("Server")
    master.send("HUP")
    after = master.replaced(workers, 2)
    until(lambda: int(master.answers() or 0) in after, "an answer of a new worker")
    master.send("TERM")
    assert master.exit_status() == 0
    assert "Traceback" not in master.log


def test_its_requests_wait_together(site):
    master = site()
    master.up(1)
    with master.connect() as slow:
        slow.send(message("GET", "/sleep/2"))
        master.wait_for_log("begun")
        assert master.answers("/pid").isdigit()
        assert slow.receive().status == 200


def test_its_requests_are_finished_before_the_worker_leaves(site):
    master = site()
    (worker,) = master.up(1)
    with master.connect() as connection:
        connection.send(message("GET", "/sleep/3"))
        master.wait_for_log("begun")
        os.kill(worker, signal.SIGTERM)
        assert connection.receive().text == str(worker)
    master.replaced({worker}, 1)


def test_it_leaves_in_time_whatever_runs(site):
    master = site("--graceful-timeout", "1")
    master.up(1)
    with master.connect() as connection:
        connection.send(message("GET", "/sleep/600"))
        master.wait_for_log("begun")
        master.send("TERM")
        assert master.exit_status() == 0


def test_it_leaves_at_once_on_int(site):
    master = site()
    master.up(1)
    with master.connect() as connection:
        connection.send(message("GET", "/sleep/600"))
        master.wait_for_log("begun")
        master.send("INT")
        assert master.exit_status() == 0
    assert "Traceback" not in master.log


def test_it_can_be_told_to_leave_while_it_makes_its_loop(site):
    config = """
import asyncio, time

class Slow(asyncio.SelectorEventLoop):
    def __init__(self):
        print("making a loop", flush=True)
        time.sleep(0.5)
        super().__init__()

asyncio.get_event_loop_policy()._loop_factory = Slow
"""
    master = site(config=config)
    master.wait_for_log("making a loop")
    master.send("TERM")
    assert master.exit_status() == 0
    assert "Traceback" not in master.log


def test_idle_connections_do_not_hold_up_a_stop(site):
    master = site("--graceful-timeout", "600")
    master.up(1)
    with master.connect() as connection:
        assert connection.get("/pid").status == 200
        master.send("TERM")
        assert master.exit_status() == 0


def test_requests_are_counted(site):
    master = site("--max-requests", "3")
    (first,) = master.up(1)
    with master.connect() as connection:
        for _ in range(3):
            connection.send(message("GET", "/pid"))
            connection.receive()
    master.wait_for_log("Autorestarting worker after current request.")
    master.replaced({first}, 1)
    until(master.answers, "an answer")


def test_a_worker_that_holds_up_its_loop_is_replaced(site):
    master = site("--timeout", "1")
    before = master.up(1)
    with master.connect() as connection:
        connection.send(message("GET", "/spin/60"))
        master.wait_for_log("WORKER TIMEOUT")
    master.replaced(before, 1)


def test_keep_alive_can_be_turned_off(site):
    master = site("--keep-alive", "0")
    master.up(1)
    with master.connect() as connection:
        assert connection.get("/pid").header("Connection") == "close"
        assert connection.is_closed()


def test_a_websocket_echoes(site):
    pytest.importorskip("websockets")
    from websockets.sync.client import unix_connect

    master = site()
    master.up(1)
    with unix_connect(str(master.folder / "s"), "ws://test.example/echo") as socket:
        for data in ("text", b"bytes", "x" * 100_000):
            socket.send(data)
            assert socket.recv(20) == data


def test_wsgi_is_served_between_the_callbacks_of_the_loop(site):
    master = site(app="tornado_site:wsgi")
    master.up(1)
    with master.connect() as connection:
        assert connection.get("/").text == "0"
        connection.get("/later")
        until(lambda: connection.get("/").text == "1", "the callback")
        connection.get("/start")
        # While nothing is asked, too.
        until(lambda: int(connection.get("/").text) > 5, "ticks")
        assert connection.get("/").header("Server") == "oxicorn"
    master.send("TERM")
    assert master.exit_status() == 0


@pytest.mark.parametrize("app", ["tornado_site:application", "process:application"])
def test_a_worker_without_its_arbiter_leaves(site, app):
    master = site(app=app)
    (worker,) = master.up(1)
    master.process.kill()
    until(lambda: not os.path.exists(f"/proc/{worker}") or is_zombie(worker), "the worker's end")


def is_zombie(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "Z"
