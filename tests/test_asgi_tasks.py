"""The ASGI worker's tasks and awaitables behave as asyncio's own."""

import importlib.util

import pytest

from support.client import message
from support.wait import until

pytestmark = [pytest.mark.beyond_gunicorn, pytest.mark.names_class]

LOOPS = ["asyncio", "uvloop"]


@pytest.fixture(scope="module", params=LOOPS)
def server(request, serve_module):
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed here")
    return serve_module(
        "asgi_tasks:application", "--worker-class", "asgi", "--asgi-loop", request.param
    )


def told(server):
    return server.get("/told").text.split()


def test_context_variables_are_the_requests_own(server):
    for _ in range(2):
        with server.connect() as connection:
            assert connection.get("/variable").text == "unset set set"
            assert connection.get("/variable").text == "unset set set"


def test_a_request_runs_in_one_task(server):
    assert server.get("/current").text == "Task"


def test_a_wait_for_a_message_can_time_out(server):
    assert server.get("/timeout").text == "timed out"


def test_waits_that_were_cancelled_leave_nothing_behind(server):
    assert int(server.get("/impatient").text) < 5


def test_a_cancelled_wait_loses_no_message(server):
    pieces = [f"piece {number};".encode() for number in range(10)]
    body = b"".join(pieces)
    with server.connect() as connection:
        connection.send(message("POST", "/patient-upload", [("Content-Length", str(len(body)))]))
        for piece in pieces:
            connection.send(piece)
            # The answers of others show that the loop has had its turns.
            server.get("/slow")
        assert connection.receive().text == f"True {body.decode()}"


@pytest.mark.parametrize("path", ["/upload-by-task", "/both"])
def test_messages_are_received_by_tasks_of_their_own(server, path):
    with server.connect() as connection:
        connection.send(message("POST", path, [("Content-Length", "9")]))
        for piece in b"abc", b"def", b"ghi":
            connection.send(piece)
            server.get("/quick")
        assert connection.receive().text.rstrip(".") == "abcdefghi"


def test_the_end_of_the_client_is_told_when_it_comes_and_not_before(server):
    before = len(told(server))
    with server.connect() as connection:
        connection.send(message("GET", "/listen"))
        until(lambda: told(server)[before:] == ["waits"], "a request that waits")
    until(lambda: told(server)[before:] == ["waits", "http.disconnect"], "word of the end")


def test_a_request_that_was_answered_has_nothing_more_to_receive(server):
    before = len(told(server))
    with server.connect() as connection:
        assert connection.get("/after-the-answer").text == "x"
        until(lambda: told(server)[before:] == ["http.disconnect"], "word of the end")
        assert connection.get("/quick").text == "quick"


def test_work_after_the_answer_does_not_hold_up_the_next_request(server):
    with server.connect() as connection:
        assert connection.get("/background").text == "answered"
        assert connection.get("/quick").text == "quick"
        assert connection.get("/release").text == "released"
    until(lambda: "background done" in server.get("/told").text, "the end of the work")


def test_a_wait_can_be_cancelled_and_the_task_goes_on(server):
    assert server.get("/cancelled").text == "cancelled"


def test_groups_and_scopes_of_anyio_work(server):
    pytest.importorskip("anyio")
    assert server.get("/group").text == "listener cancelled, scope True"


def test_pipelined_requests_are_answered_in_order(server):
    with server.connect() as connection:
        connection.send(b"".join(message("GET", f"/{path}") for path in ["slow", "quick"] * 3))
        answers = [connection.receive().text for _ in range(6)]
    assert answers == ["slow", "quick"] * 3


def test_messages_may_be_sent_by_gather(server):
    assert server.get("/unawaited").text == "gathered"
