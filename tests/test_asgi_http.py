"""HTTP over ASGI: bodies in both directions, the client's end, and what applications do wrong."""

import re
import signal
import time

import pytest

from support.client import chunked, message
from support.wait import until

pytestmark = [pytest.mark.beyond_gunicorn, pytest.mark.names_class("asgi")]

APP = "asgi_http:application"
ASGI = ("--worker-class", "asgi")


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module(APP, *ASGI, "--asgi-disconnect-grace-period", "1")


def told(server):
    return server.get("/told").text


def test_the_state_of_lifespan_is_shared_and_each_request_has_its_own(server):
    for _ in range(2):
        assert server.get("/state").text == "['from lifespan'] None"


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_000])
def test_bodies_of_every_size_arrive(server, size):
    assert server.post("/upload", b"x" * size).text == f"{size} True"


def test_a_chunked_body_arrives(server):
    with server.connect() as connection:
        connection.send(message("POST", "/upload", [("Transfer-Encoding", "chunked")]))
        connection.send_bytewise(chunked(b"one", b"two"))
        assert connection.receive().text == "6 True"


@pytest.mark.parametrize("path", ["/upload", "/stubborn", "/begun"])
def test_nothing_behind_a_malformed_body_is_served(server, path):
    """The application runs already when the body turns out to be malformed."""
    with server.connect() as connection:
        connection.send(message("POST", path, [("Transfer-Encoding", "chunked")]))
        connection.send(b"5\r\nhello")
        if path == "/begun":
            head = connection.receive_head()
            assert connection._take(2) == b"be"
        else:
            until(lambda: told(server) is not None, "a turn of the loop")
        connection.send(b"!\r\n0\r\n\r\n" + message("GET", "/unread"))
        if path == "/begun":
            assert (head.status, connection.receive_all()) == (200, b"un")
        else:
            response = connection.receive()
            assert (response.status, response.header("Connection")) == (400, "close")
            assert connection.is_closed()
    server.wait_for_log("Chunk data is not followed by CR LF")


def test_nothing_is_read_that_the_application_does_not_take(server):
    with server.connect() as connection:
        size = 50_000_000
        connection.send(message("POST", "/slow-reader", [("Content-Length", str(size))]))
        until(lambda: "asked" in told(server), "the application")
        connection.socket.setblocking(False)
        sent = 0
        try:
            while sent < size:
                sent += connection.socket.send(b"x" * min(65536, size - sent))
        except BlockingIOError:
            pass
        assert sent < size, "the server took everything"
        server.get("/go-on")
        connection.socket.settimeout(20)
        while sent < size:
            sent += connection.socket.send(b"x" * min(65536, size - sent))
        assert connection.receive().text.endswith(" True")


def test_a_body_nobody_read_does_not_spoil_the_next_request(server):
    with server.connect() as connection:
        for _ in range(2):
            assert connection.post("/unread", b"x" * 100_000).text == "unread"
        assert connection.get("/state").status == 200


@pytest.mark.parametrize("header", [None, ("Connection", "close"), ("Expect", "100-continue")])
def test_an_answer_may_come_before_the_body(server, header):
    with server.connect() as connection:
        headers = [("Content-Length", "3"), *([header] if header else [])]
        connection.send(message("POST", "/unread", headers))
        assert connection.receive().text == "unread"


def test_a_malformed_body_is_refused_while_the_application_waits(server):
    with server.connect() as connection:
        connection.send(message("POST", "/upload", [("Transfer-Encoding", "chunked")]))
        connection.send(b"5\r\nhello\r\n")
        server.get("/told")
        connection.send(b"nonsense\r\n")
        assert connection.receive().status == 400
        assert connection.is_closed()


def test_pieces_of_a_response_are_chunks(server):
    with server.connect() as connection:
        answer = connection.get("/stream")
        assert answer.chunks == [b"0;", b"1;", b"2;"]
        assert connection.request("HEAD", "/stream").body == b""
        assert connection.get("/stream").complete


def test_a_client_that_does_not_read_holds_the_application_back(server):
    with server.connect(receive_buffer=4096) as connection:
        connection.send(message("GET", "/endless"))
        connection.receive_head()

        def sent():
            return int(re.search(r"sent (\d+)", told(server))[1])

        until(lambda: sent() > 0 and (before := sent()) and _rests(sent, before), "a pause")
        assert sent() < 30_000_000
    until(lambda: "ClientDisconnected" in told(server), "an OSError")
    assert "Traceback" not in server.log


def _rests(sent, before):
    time.sleep(0.1)
    return sent() == before


def test_a_request_that_ignores_its_clients_end_is_cancelled(server):
    with server.connect() as connection:
        connection.send(message("GET", "/ignores"))
        until(lambda: "ignores" in told(server), "the request")
    until(lambda: "cancelled" in told(server), "its end")


def test_trailers_follow_a_chunked_body(server):
    with server.connect() as connection:
        connection.send(message("GET", "/trailers", [("Connection", "close")]))
        raw = connection.receive_all()
    assert raw.endswith(b"4\r\ndata\r\n0\r\nx-a: 1\r\nx-sum: 2\r\n\r\n")


def test_hints_come_before_the_answer(server):
    with server.connect() as connection:
        connection.send(message("GET", "/hints"))
        first = connection.receive(interim=True)
        assert (first.status, first.header("link")) == (103, "</a.css>; rel=preload")
        assert connection.receive(interim=True).status == 102
        assert connection.receive().text == "after hints"


def test_files_are_sent(server):
    with server.connect() as connection:
        assert len(connection.get("/path-send").body) > 10_000
        assert connection.get("/zero-copy").text == "234|"
        assert connection.get("/view").text == "viewed"


@pytest.mark.parametrize("path", ["raises", "raises-after-start", "exits", "exits-later"])
def test_an_application_that_raises_before_it_answers_is_a_500(server, path):
    before = server.log.count("Error in ASGI application\nTraceback")
    with server.connect() as connection:
        answer = connection.get(f"/{path}")
        assert (answer.status, answer.text) == (500, "Internal Server Error")
        assert connection.is_closed()
    until(lambda: server.log.count("Error in ASGI application\nTraceback") == before + 1, "one")
    server.wait_for_log(f"\nRequest: GET /{path}\n")


def test_an_application_that_raises_in_its_body_breaks_the_response_off(server):
    answer = server.get("/raises-in-body")
    assert (answer.status, answer.body, answer.complete) == (200, b"part", False)
    server.wait_for_log("FromState: in the body")


def test_what_is_raised_after_the_answer_is_logged(server):
    with server.connect() as connection:
        assert connection.get("/raises-after-answer").text == "answered"
        server.wait_for_log("FromState: after the answer\nRequest: GET /raises-after-answer\n")
        assert connection.get("/state").status == 200


def test_an_application_that_does_not_answer_is_a_500(server):
    assert server.get("/nothing").status == 500
    server.wait_for_log("ASGI application returned without sending a response: GET /nothing\n")
    answer = server.get("/half")
    assert (answer.body, answer.complete) == (b"half", False)
    server.wait_for_log("ASGI application returned before its response was complete: GET /half\n")


@pytest.fixture(scope="module")
def talkative(serve_module):
    return serve_module(APP, *ASGI, "--log-level", "debug")


@pytest.mark.parametrize("path", ["lets-go", "lets-go-politely", "lets-go-of-a-group"])
def test_an_application_that_lets_go_when_its_client_leaves_is_no_error(talkative, path):
    before = len(talkative.log)
    with talkative.connect() as connection:
        connection.send(message("GET", f"/{path}"))
        connection.half_close()
        connection.receive_all()
    line = f"[DEBUG] ASGI application ended because its client has gone: GET /{path}\n"
    until(lambda: line in talkative.log[before:], "its end")
    assert "[ERROR]" not in talkative.log[before:]
    assert "Traceback" not in talkative.log[before:]


def test_an_application_that_only_says_that_its_client_left_is_an_error(talkative):
    assert talkative.get("/pretends").status == 500
    talkative.wait_for_log("ClientDisconnect: nobody left\nRequest: GET /pretends\n")


@pytest.mark.parametrize(
    "path, level, raised",
    [
        ("fails-afterwards", "ERROR", "after the end"),
        ("fails-to-clean-up", "ERROR", "in the cleaning up"),
        ("fails-and-cannot-say-so", "INFO", "before the answer"),
    ],
)
def test_a_fault_is_in_the_log_though_the_client_left(talkative, path, level, raised):
    before = len(talkative.log)
    with talkative.connect() as connection:
        connection.send(message("GET", f"/{path}"))
        if path != "fails-afterwards":
            connection.receive_head()
    said = (f"FromState: {raised}\n", f": GET /{path}\n")
    until(lambda: all(words in talkative.log[before:] for words in said), "the fault")
    levels = re.findall(r"\[(INFO|WARNING|ERROR)\]", talkative.log[before:])
    assert levels == [level]


def test_a_body_is_as_long_as_announced_or_the_connection_ends(server):
    with server.connect() as connection:
        answer = connection.get("/short")
        assert not answer.complete
    with server.connect() as connection:
        assert connection.get("/excess").body == b"exc"
        assert connection.get("/state").status == 200


WRONG = {
    "body-first": "http.response.body is out of order: http.response.start has to come first",
    "start-twice": "http.response.start is out of order: http.response.start was sent already",
    "unknown": 'unknown message "http.response.nonsense"',
    "no-type": 'a message must have a "type"',
    "no-dict": "a message must be a dict, not 'http.response.start'",
    "no-status": "http.response.start has no 'status'",
    "status-text": "the status of http.response.start must be an int of three digits, not '200'",
    "status-1xx": "the status of http.response.start cannot be 150: expected 200 to 999",
    "status-100": "the status of http.response.start cannot be 100: expected 200 to 999",
    "status-101": "the status of http.response.start cannot be 101: expected 200 to 999",
    "headers-none": "the headers of a message must be (name, value) pairs, not None",
    "header-str": "a header name must be bytes, not 'a'",
    "header-single": "a header must be a (name, value) pair, not b'ab'",
    "header-injected": "Invalid value of response header 'a'",
    "header-name": "Invalid response header name 'a b'",
    "body-str": "the body of http.response.body must be bytes, not str",
    "trailers": 'http.response.start did not say "trailers": True',
    "trailers-early": "http.response.trailers is out of order: the body has not ended",
    "path-missing": "No such file or directory: '/nowhere/at/all'",
    "path-pipe": "http.response.pathsend cannot send /proc/self/fd/",
    "path-number": "the path of http.response.pathsend must be a path, not 5",
    "file-object": "the file of http.response.zerocopysend must have a fileno(), not <object",
    "file-pipe": "http.response.zerocopysend cannot send <",
    "file-count": "the count of http.response.zerocopysend cannot be -1: expected an int from 0 on",
}


@pytest.mark.parametrize("path", WRONG)
def test_a_wrong_message_is_a_500_and_one_traceback_that_names_what_is_wrong(server, path):
    before = len(server.log)
    assert server.get(f"/wrong/{path}").status == 500
    until(lambda: WRONG[path] in server.log[before:], "the reason")
    assert server.log[before:].count("Traceback") == 1


def test_a_message_after_the_end_is_an_error_of_the_applications_alone(server):
    with server.connect() as connection:
        assert connection.get("/wrong/after-end").text == "whole"
        server.wait_for_log("the response is complete")
        assert connection.get("/state").status == 200


def test_streams_end_cleanly_when_the_worker_leaves(serve):
    server = serve(APP, *ASGI, "--graceful-timeout", "20", "--asgi-disconnect-grace-period", "1")
    connections = [server.connect() for _ in range(6)]
    for number, connection in enumerate(connections):
        path = "/event-stream" if number % 2 else "/listening-stream"
        connection.send(message("GET", path))
        connection.receive_head()
        assert connection.receive_chunk()
    server.process.send_signal(signal.SIGTERM)
    for connection in connections:
        while chunk := connection.receive_chunk():
            pass
        assert chunk == b"", "the stream broke off"
        connection.close()
    assert server.process.wait(20) == 0
    assert "lifespan: shutdown" in server.log
    assert "Traceback" not in server.log
