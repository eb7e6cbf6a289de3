"""gevent and eventlet: a coroutine a request, all of them in one thread."""

import contextlib
import importlib.util
import os
import signal
import socket
import threading
import time

import pytest

from support.client import Connection, message
from support.wait import until

pytestmark = [pytest.mark.beyond_gunicorn, pytest.mark.names_class]

APP = "green:application"


def needs(name):
    """Skip what is not installed here."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed here")


@pytest.fixture(params=["gevent", "eventlet"])
def hub(request):
    """The name of a worker class."""
    needs(request.param)
    return request.param


@pytest.fixture(scope="module", params=["gevent", "eventlet"])
def server(request, serve_module):
    """A server that the tests share which do it no harm."""
    needs(request.param)
    return serve_module(APP, "--worker-class", request.param)


@pytest.fixture
def slow_server():
    """A server that answers ``slow`` when three clients have asked; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    everybody = threading.Barrier(3, timeout=60)

    def answer(connection):
        with connection:
            connection.recv(1000)
            with contextlib.suppress(threading.BrokenBarrierError):
                everybody.wait()
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nslow")

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        yield listener.getsockname()[1]


def together(server, targets):
    """Ask for all of these at once, over a connection each; the answers."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect(timeout=60)) for _ in targets]
        for connection, target in zip(connections, targets, strict=True):
            connection.send(message("GET", target))
        return [connection.receive() for connection in connections]


def test_a_thousand_sleeps_take_as_long_as_one(server):
    start = time.monotonic()
    answers = together(server, ["/sleep/1"] * 1000)
    assert [answer.status for answer in answers] == [200] * 1000
    # One after the other they would take 1,000 seconds; a busy machine needs some for the rest.
    assert time.monotonic() - start < 60


@pytest.mark.parametrize("action", ["ask", "fetch"])
def test_requests_wait_for_other_servers_together(server, slow_server, action):
    # The slow server answers nobody before all of them have asked.
    answers = together(server, [f"/{action}/{slow_server}"] * 3)
    assert [answer.status for answer in answers] == [200] * 3
    if action == "fetch":
        assert [answer.text for answer in answers] == ["slow"] * 3


def test_the_application_is_imported_into_a_cooperative_library(server):
    assert server.get("/patched").text.partition(".")[0] in ("gevent", "eventlet")


def test_each_request_is_a_coroutine_of_its_own(server):
    with server.connect() as connection:
        assert [connection.get("/local").text for _ in range(3)] == ["new"] * 3


def test_answers_of_a_connection_keep_their_order(server):
    with server.connect() as connection:
        connection.send(message("GET", "/sleep/0.2") + message("GET", "/pid"))
        assert connection.receive().text == "None"
        assert connection.receive().text.isdigit()


@pytest.mark.parametrize("fault", ["exit", "kill", "no-such-action"])
def test_what_a_view_raises_is_its_own_affair(server, fault):
    before = server.get("/pid").text
    assert server.get(f"/{fault}").status == 500
    assert server.get("/pid").text == before


def test_a_thread_that_outlives_its_request_is_no_trouble(serve, hub):
    server = serve(APP, "--worker-class", hub)
    assert server.get("/behind").status == 200
    assert server.get("/pid").status == 200
    assert server.stop() == 0


def test_a_client_that_reads_nothing_holds_up_the_application_and_nobody_else(server):
    with Connection(server.address, receive_buffer=4096) as slow:
        slow.send(message("GET", "/count/1000/100000"))
        # It stops long before the end: when some megabytes wait.
        until(lambda: standstill(server), "a standstill")
        assert int(server.get("/produced").text) < 500
        response = slow.receive_head()
        assert response.status == 200
        length = 0
        while chunk := slow.receive_chunk():
            length += len(chunk)
        assert length == 1000 * 100000


def standstill(server):
    before = int(server.get("/produced").text)
    time.sleep(0.3)
    return before > 0 and before == int(server.get("/produced").text)


def test_requests_beyond_worker_connections_wait(serve, hub):
    server = serve(APP, "--worker-class", hub, "--worker-connections", 2)
    with server.connect() as first, server.connect() as second, server.connect() as third:
        first.send(message("GET", "/sleep/1"))
        second.send(message("GET", "/sleep/1"))
        third.send(message("GET", "/pid"))
        third.socket.settimeout(0.4)
        with pytest.raises(TimeoutError):
            third.socket.recv(1)
        third.socket.settimeout(20)
        assert first.receive().status == 200
        first.close()
        assert third.receive().status == 200


def test_the_heartbeat_goes_on_while_requests_wait(start, hub):
    master = start("--worker-class", hub, "--timeout", "3", app=APP)
    (worker,) = master.up(1)
    # What has begun to answer may take its time.
    assert master.answers("/trickle/5") == "begun, done"
    assert master.workers == [worker]
    assert "WORKER TIMEOUT" not in master.log


def test_a_request_that_waits_too_long_is_given_up_and_no_other(start, hub):
    master = start("--worker-class", hub, "--timeout", "2", app=APP)
    before = master.up(1)
    with master.connect() as stuck, master.connect() as other:
        stuck.send(message("GET", "/sleep/600"))
        other.send(message("GET", "/trickle/3"))
        assert stuck.receive().status == 504
        assert other.receive().text == "begun, done"
    master.replaced(before, 1)
    assert "WORKER TIMEOUT" not in master.log


def test_a_request_that_holds_up_the_hub_is_ended(start, hub):
    master = start("--worker-class", hub, "--timeout", "1", app=APP)
    before = master.up(1)
    master.answers("/spin/60")
    master.wait_for_log("WORKER TIMEOUT")
    master.replaced(before, 1)
    until(lambda: master.answers("/pid"), "an answer")


def test_requests_are_finished_before_the_worker_leaves(start, hub):
    master = start("--worker-class", hub, app=APP)
    (worker,) = master.up(1)
    with master.connect() as connection:
        connection.send(message("GET", "/sleep/1"))
        until(lambda: in_flight(master), "the request")
        os.kill(worker, signal.SIGTERM)
        assert connection.receive().text == "None"
    master.replaced({worker}, 1)


def test_a_worker_leaves_in_time_whatever_runs(start, hub):
    master = start("--worker-class", hub, "--graceful-timeout", "1", app=APP)
    (worker,) = master.up(1)
    with master.connect() as connection:
        connection.send(message("GET", "/sleep/600"))
        until(lambda: in_flight(master), "the request")
        master.send("TERM")
        assert master.exit_status() == 0
    assert f"[WARNING] Worker graceful timeout (pid:{worker})" in master.log
    assert "Traceback" not in master.log


def test_int_ends_a_worker_at_once(start, hub):
    master = start("--worker-class", hub, app=APP)
    master.up(1)
    with master.connect() as connection:
        connection.send(message("GET", "/sleep/600"))
        until(lambda: in_flight(master), "the request")
        master.send("INT")
        assert master.exit_status() == 0
    assert "Traceback" not in master.log


def in_flight(master):
    """The request has begun: what was sent after it is answered."""
    return master.answers("/pid")


def test_a_head_has_as_long_as_an_idle_connection(serve, hub):
    server = serve(APP, "--worker-class", hub, "--keep-alive", 1)
    with server.connect() as connection:
        connection.send(b"GET / HT")
        assert connection.is_closed()


@pytest.mark.parametrize("name", ["gevent_wsgi", "gevent_pywsgi"])
def test_aliases_of_gevent(start, name):
    needs("gevent")
    master = start("--worker-class", name, app=APP)
    master.up(1)
    assert f"Using worker: {name}" in master.log
    assert master.answers("/patched").startswith("gevent")


@pytest.mark.parametrize("name", ["gevent", "eventlet", "tornado"])
def test_a_missing_package_is_named_with_the_extra_that_brings_it(start, tmp_path, name):
    (tmp_path / "broken").mkdir()
    blocker = f"raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')"
    (tmp_path / "broken" / f"{name}.py").write_text(blocker)
    environment = {"PYTHONPATH": f"{tmp_path / 'broken'}:{os.path.dirname(__file__)}/apps"}
    master = start("--worker-class", name, environment=environment)
    assert master.exit_status() == 1
    assert master.log.splitlines() == [
        f"Error: worker_class cannot be '{name}': No module named '{name}': pip install oxicorn[{name}]"
    ]
