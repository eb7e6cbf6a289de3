"""Requests in threads: as many at a time as there are threads, and none held up by another."""

import os
import signal
import threading
import time

import pytest

from support.client import message
from support.wait import until

pytestmark = pytest.mark.names_class

THREADS = 4


@pytest.fixture
def gate(tmp_path):
    """What the held requests wait for: ``gate.touch()``."""
    return tmp_path / "gate"


@pytest.fixture
def server(serve, gate):
    arguments = "--worker-class", "gthread", "--threads", THREADS, "--keep-alive", 20
    return serve("threads:application", *arguments, environment={"GATE": str(gate)})


def ask(server, target):
    """Send a request; its connection, to receive the answer from."""
    connection = server.connect()
    connection.send(message("GET", target))
    return connection


def hold(server, number=1):
    """Let so many threads wait for the gate."""
    held = [ask(server, "/hold") for _ in range(number)]
    server.wait_for_log(f"inside {number};")
    return held


def test_as_many_requests_run_at_once_as_there_are_threads(server, gate):
    held = hold(server, THREADS)
    waiting = [ask(server, "/hold") for _ in range(3)]
    # Somebody who asks for little waits too: that is all the threads there are.
    last = ask(server, "/?last")
    gate.touch()
    assert [c.receive().text for c in [*held, *waiting]] == ["done"] * (THREADS + 3)
    assert last.receive().text == "last"
    assert f"inside {THREADS + 1};" not in server.log


def test_idle_and_slow_connections_hold_no_thread(server):
    idle = [server.connect() for _ in range(3 * THREADS)]
    for connection in idle[::2]:
        connection.send(b"GET / HTTP/1.1\r\nHost: te")
    assert server.get("/?a").text == "a"
    for connection in idle[::2]:
        connection.send(b"st\r\n\r\n")
        assert connection.receive().status == 200


@pytest.mark.parametrize("long", ["/hold", "/burn"])
def test_a_long_call_does_not_delay_others(server, gate, long):
    with server.connect() as other, server.connect() as busy:
        # Calls have been short so far, so nobody expects a long one.
        for number in range(200):
            assert other.get(f"/?{number}").text == str(number)
        # All of these come together, so that the long one finds others behind it.
        others = [server.connect() for _ in range(20)]
        busy.send(message("GET", long))
        for number, connection in enumerate(others):
            connection.send(message("GET", f"/?{number}"))
        assert [c.receive().text for c in others] == [str(n) for n in range(20)]
        assert other.get("/?again").text == "again"
        gate.touch()
        assert busy.receive().text == "done"


@pytest.mark.beyond_gunicorn
def test_a_response_that_is_ready_does_not_wait_for_the_next_call(serve, gate):
    arguments = "--worker-class", "gthread", "--threads", 1, "--keep-alive", 20
    server = serve("threads:application", *arguments, environment={"GATE": str(gate)})
    first, busy = server.connect(), server.connect()
    for number in range(100):
        assert first.get(f"/?{number}").text == str(number)
    # While this one runs both others arrive, so that they are called in one turn.
    start = ask(server, "/sleep/200")
    first.send(message("GET", "/?ready"))
    busy.send(message("GET", "/hold"))
    assert start.receive().status == 200
    assert first.receive().text == "ready"
    server.wait_for_log("inside 1;")
    gate.touch()
    assert busy.receive().text == "done"


def test_answers_keep_the_order_of_their_requests(server):
    with server.connect() as connection:
        targets = [f"/sleep/{number % 4 * 3}?{number}" for number in range(40)]
        connection.send(b"".join(message("GET", target) for target in targets))
        assert [connection.receive().text for _ in targets] == [str(n) for n in range(40)]


@pytest.mark.parametrize("target", ["/exit", "/error"])
def test_an_exception_is_a_500_and_costs_no_thread(server, target):
    for _ in range(2 * THREADS):
        assert server.get(target).status == 500
    (worker,) = server.workers
    names = {server.get("/name").text for _ in range(2 * THREADS)}
    assert all(names)
    assert server.workers == [worker]


def test_a_thread_of_the_application_outlives_its_request(server):
    assert server.get("/stray").status == 200
    until(lambda: server.get("/stray-is-done").text == "True", "the stray thread's end")


@pytest.mark.beyond_gunicorn
def test_slow_clients_are_served_while_every_thread_is_in_a_call(server, gate):
    with server.connect(receive_buffer=4096) as slow:
        slow.send(message("GET", "/large"))
        until(lambda: slow.socket.recv(1, 2), "the beginning of the answer")
        held = hold(server, THREADS)
        assert len(slow.receive().body) == 20_000_000
        gate.touch()
        assert all(c.receive().status == 200 for c in held)


def test_term_lets_requests_in_threads_finish(server, gate):
    held = hold(server, THREADS)
    (worker,) = server.workers
    os.kill(worker, signal.SIGTERM)
    server.process.send_signal(signal.SIGTERM)
    server.wait_for_log("Handling signal: term")
    gate.touch()
    assert [c.receive().text for c in held] == ["done"] * THREADS
    assert server.process.wait(20) == 0


@pytest.mark.beyond_gunicorn
def test_quit_does_not_wait_for_requests_in_threads(server):
    held = hold(server, THREADS)
    server.process.send_signal(signal.SIGQUIT)
    assert server.process.wait(20) == 0
    assert {c.receive_all() for c in held} == {b""}
    assert "SIG" not in server.log


def test_a_signal_is_handled_while_every_thread_is_in_a_call(serve, gate, tmp_path):
    access_log = tmp_path / "access"
    arguments = "--worker-class", "gthread", "--threads", THREADS, "--access-logfile", access_log
    server = serve("threads:application", *arguments, environment={"GATE": str(gate)})
    held = hold(server, THREADS)
    access_log.unlink()
    os.kill(server.workers[0], signal.SIGUSR1)
    until(access_log.exists, "the access log, opened anew")
    gate.touch()
    assert [c.receive().text for c in held] == ["done"] * THREADS


@pytest.mark.beyond_gunicorn
def test_the_scoreboard_tells_how_long_requests_waited_for_the_interpreter(serve, gate, tmp_path):
    hook = "def post_request(worker, req): print('waited', worker.slot.gil_wait, flush=True)\n"
    (tmp_path / "conf.py").write_text(hook)
    arguments = "--worker-class", "gthread", "--threads", 2, "--config", tmp_path / "conf.py"
    server = serve("threads:application", *arguments, environment={"GATE": str(gate)})
    busy = ask(server, "/burn")
    server.wait_for_log("burning;")

    def waited():
        assert server.get("/").status == 200
        return float(server.log.split("waited ")[-1].split()[0])

    until(lambda: waited() > 0, "a wait")
    gate.touch()
    assert busy.receive().status == 200


KINDS = ("/", "/", "/", "/sleep/1", "/", "/sleep/4", "/", "/", "/sleep/20", "/")
SECONDS = 3.0


class Load(threading.Thread):
    """Asks on one connection, some requests at a time, and checks every answer."""

    def __init__(self, server, number, end):
        super().__init__()
        self.server, self.number, self.end = server, number, end
        self.answered = 0
        self.fault = None

    def run(self):
        """Until the end, or the first fault."""
        try:
            while time.monotonic() < self.end:
                with self.server.connect() as connection:
                    for _ in range(50):
                        self.round(connection)
        except BaseException as fault:
            self.fault = fault

    def round(self, connection):
        """A few requests in one go."""
        count = 1 + (self.answered + self.number) % 5
        ids = [f"{self.number}.{self.answered + n}" for n in range(count)]
        kinds = [KINDS[(self.number * 3 + self.answered + n) % len(KINDS)] for n in range(count)]
        requests = zip(kinds, ids, strict=True)
        connection.send(b"".join(message("GET", f"{kind}?{name}") for kind, name in requests))
        for name in ids:
            assert connection.receive().text == name
        assert not connection.buffer, "an answer too many"
        self.answered += count


def test_no_request_is_lost_or_answered_twice_under_mixed_load(server):
    end = time.monotonic() + SECONDS
    load = [Load(server, number, end) for number in range(24)]
    for client in load:
        client.start()
    for client in load:
        client.join()
    assert [client.fault for client in load if client.fault] == []
    assert all(client.answered for client in load)
    assert "Traceback" not in server.log
