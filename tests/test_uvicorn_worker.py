"""uvicorn's worker classes, as they are, where Gunicorn is not installed: FastAPI, lifespan, WebSocket."""

import importlib.util
import json
import os
import signal

import pytest

from support.client import message
from support.wait import until

pytestmark = [pytest.mark.beyond_gunicorn, pytest.mark.names_class]

APP = "asgi_site:application"
CLASSES = ["uvicorn_worker.UvicornWorker", "uvicorn.workers.UvicornWorker"]


@pytest.fixture(params=CLASSES)
def site(request, start):
    """Start the application under one of the classes."""
    for package in (request.param.partition(".")[0], "fastapi", "websockets"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed here")

    def site(*arguments, workers=4, **options):
        arguments = ["--worker-class", request.param, "--workers", workers, *arguments]
        return start(*arguments, app=APP, **options)

    return site


def talk(master, path="/echo", **options):
    """Open a WebSocket."""
    from websockets.sync.client import unix_connect

    return unix_connect(str(master.folder / "s"), f"ws://test.example{path}", **options)


def started(master):
    """Pids of workers whose application has started."""
    return {int(line.split()[1]) for line in lines(master, "startup")}


def lines(master, word):
    return [line for line in master.log.splitlines() if line.startswith(word)]


def test_routes_of_fastapi(site):
    master = site()
    workers = master.up(4)
    with master.connect() as connection:
        assert connection.get("/items/3?q=x").text == '{"number":3,"q":"x"}'
        assert connection.get("/items/three").status == 422
        body = json.dumps({"name": "hat", "price": 3}).encode()
        created = connection.post("/items", body, [("Content-Type", "application/json")])
        assert json.loads(created.text) == {"name": "hat", "price": 3.0}
        assert connection.get("/lines").text == "line 0\nline 1\nline 2\n"
        assert connection.get("/nowhere").status == 404
        pid = connection.get("/pid").text
        assert connection.get("/state").text == f'"pool of {pid}"'
        assert int(pid) in workers


def test_the_application_starts_and_ends_in_each_worker(site):
    master = site()
    workers = master.up(4)
    # The server is ready when the applications are.
    assert started(master) == workers
    master.send("TERM")
    assert master.exit_status() == 0
    assert {int(line.split()[1]) for line in lines(master, "shutdown")} == workers
    assert "Traceback" not in master.log


def test_an_application_that_does_not_start_ends_the_server(site, tmp_path):
    (tmp_path / "broken").touch()
    master = site(workers=2)
    assert master.exit_status() == 3
    assert "the database is not there" in master.log
    assert "Worker failed to boot." in master.log


def test_a_reload_that_does_not_start_leaves_the_old_workers(site, tmp_path):
    master = site(workers=2)
    before = master.up(2)
    (tmp_path / "broken").touch()
    master.send("HUP")
    master.wait_for_log("the database is not there")
    until(lambda: set(master.workers) == before, "the old workers alone")
    assert int(master.answers()) in before
    (tmp_path / "broken").unlink()
    master.send("HUP")
    after = master.replaced(before, 2)
    until(lambda: after <= started(master), "the start of both")


def test_a_reload_and_more_workers_and_less(site):
    master = site()
    before = master.up(4)
    master.send("HUP")
    after = master.replaced(before, 4)
    until(lambda: int(master.answers() or 0) in after, "an answer of a new worker")
    master.send("TTIN")
    master.up(5)
    master.send("TTOU")
    until(lambda: len(master.workers) == 4, "one worker less")


@pytest.mark.parametrize("name", ["HUP", "TERM"])
def test_requests_are_finished_first(site, name):
    master = site(workers=1)
    before = master.up(1)
    with master.connect() as connection:
        connection.send(message("GET", "/sleep/1"))
        master.wait_for_log("begun")
        master.send(name)
        assert connection.receive().text == '"slept"'
    if name == "HUP":
        master.replaced(before, 1)
        master.send("TERM")
    assert master.exit_status() == 0
    assert "Traceback" not in master.log


def test_a_worker_that_holds_up_its_loop_is_replaced(site):
    master = site("--timeout", 2, workers=1)
    before = master.up(1)
    with master.connect() as connection:
        connection.send(message("GET", "/spin/60"))
        master.wait_for_log(f"WORKER TIMEOUT (pid:{min(before)})")
    after = master.replaced(before, 1)
    until(lambda: int(master.answers() or 0) in after, "an answer")


def test_a_killed_worker_is_replaced(site):
    master = site(workers=2)
    before = master.up(2)
    os.kill(min(before), signal.SIGKILL)
    master.wait_for_log("was sent SIGKILL!")
    until(lambda: len(started(master)) == 3, "another start")
    master.up(2)


def test_its_loggers_write_where_ours_do(site):
    master = site("--access-logfile", "access", "--log-level", "debug", workers=1)
    master.up(1)
    access = master.folder / "access"
    until(lambda: '"GET /pid HTTP/1.1" 200' in access.read_text(), "the request in the log")
    assert "Application startup complete." in master.log
    os.rename(access, master.folder / "old")
    master.send("USR1")
    until(access.exists, "a new file")
    master.answers("/items/77")
    until(lambda: "/items/77" in access.read_text(), "the request in the new log")


def test_a_websocket_echoes(site):
    master = site()
    master.up(4)
    with talk(master, subprotocols=["other", "chat"]) as socket:
        assert socket.subprotocol == "chat"
        for data in ("text", "", "ünïcode", b"bytes", b"\0" * 100_000, "x" * 100_000):
            socket.send(data)
            assert socket.recv(20) == data
        socket.send(["in ", "three ", "parts"])
        assert socket.recv(20) == "in three parts"
        assert socket.ping().wait(20)
        socket.close(4001, "enough")
    master.wait_for_log("disconnected with 4001")


def test_a_websocket_is_closed_or_refused_by_the_application(site):
    from websockets.exceptions import ConnectionClosed, InvalidStatus

    master = site(workers=1)
    master.up(1)
    with talk(master) as socket:
        socket.send("bye")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(20)
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4000, "as you wish")
    with pytest.raises(InvalidStatus) as refused:
        talk(master, "/private")
    assert refused.value.response.status_code == 403


def test_websockets_hear_of_a_graceful_stop(site):
    from websockets.exceptions import ConnectionClosed

    master = site()
    master.up(4)
    with talk(master) as socket:
        socket.send("there?")
        assert socket.recv(20) == "there?"
        master.send("TERM")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(20)
        assert closed.value.rcvd.code == 1012
    assert master.exit_status() == 0


def test_it_runs_without_gunicorn(site):
    if importlib.util.find_spec("gunicorn") is not None:
        pytest.skip("gunicorn is installed here")
    master = site(workers=1)
    master.up(1)
