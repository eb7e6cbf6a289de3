"""An application may do anything wrong: the client hears of it, the worker lives."""

import pytest

from support.server import IS_ASGI, IS_GUNICORN, WSGI_CLASSES, failure_of

BEFORE_THE_HEAD = [
    "/raises",
    "/exits",
    "/raises-unprintable",
    "/deep",
    "/returns-none",
    "/returns-int",
    "/status-number",
    "/status-words",
    "/status-newline",
    "/header-newline",
    "/header-nul",
    "/header-name",
    "/header-name-newline",
    "/header-number",
    "/header-bytes",
    "/header-wide",
    "/header-not-a-pair",
    "/headers-none",
    "/length-words",
    "/start-twice",
    "/never-starts",
    "/no-such-path",
]
# Gunicorn ends the worker, closes without an answer, or answers something else.
BEYOND = {"/exits", "/raises-unprintable", "/never-starts", "/header-wide"}

PAGE, PAGE_LENGTH = (
    (b"Internal Server Error", 21) if IS_ASGI else (b"<h1><p>Internal Server Error</p></h1>", 141)
)
AFTER_THE_HEAD = ["/raises-later", "/exits-later", "/yields-str", "/yields-none"]


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("faults:application")


def skip_beyond(path):
    if IS_GUNICORN and path in BEYOND:
        pytest.skip("Gunicorn does not do this")


@pytest.mark.beyond_gunicorn
@pytest.mark.over(*WSGI_CLASSES, reason="start_response is WSGI's")
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/returns-none", "the application returned None: expected an iterable of bytes objects"),
        ("/headers-none", "the headers of start_response must be a list of (name, value) tuples"),
        ("/header-number", "a header value must be a str, not"),
    ],
)
def test_the_log_says_what_was_wrong_and_what_would_be_right(server, path, reason):
    server.get(path)
    server.wait_for_log(reason)


@pytest.mark.parametrize("path", BEFORE_THE_HEAD)
def test_a_fault_before_the_head_is_500(server, path):
    skip_beyond(path)
    worker = server.get("/fine").pid
    with server.connect() as connection:
        response = connection.get(path)
        assert connection.is_closed()
    assert (response.status, response.reason) == (500, "Internal Server Error")
    assert response.header("X-Forged") is None
    assert PAGE in response.body
    assert len(response.body) == PAGE_LENGTH
    assert server.get("/fine").pid == worker
    assert failure_of(path) in server.log


@pytest.mark.parametrize("path", AFTER_THE_HEAD)
def test_a_fault_after_the_head_cuts_the_response(server, path):
    if IS_GUNICORN and path == "/exits-later":
        pytest.skip("Gunicorn does not do this")
    worker = server.get("/fine").pid
    with server.connect() as connection:
        response = connection.get(path)
        assert connection.is_closed()
    assert response.status == 200
    assert response.body == b"first"
    assert not response.complete
    assert server.get("/fine").pid == worker


@pytest.mark.parametrize(("path", "body"), [("/short", b"first"), ("/short-items", b"firsttwo")])
def test_a_response_shorter_than_it_says_is_cut_and_the_log_says_so(server, path, body):
    with server.connect() as connection:
        response = connection.get(path)
        assert (response.body, response.complete) == (body, False)
        if not IS_GUNICORN:
            assert connection.is_closed()
    if not IS_GUNICORN:
        line = f"The response to GET {path} ended after {len(body)} of the 10 bytes that"
        log = server.wait_for_log(f"{line} its Content-Length announced.\n")
        assert log.count(line) == 1


def test_the_traceback_is_in_the_log(serve):
    server = serve("faults:application")
    server.get("/raises")
    log = server.wait_for_log("ValueError: raised by the application")
    assert log.count("Traceback (most recent call last)") == 1
    assert 'faults.py", line' in log


@pytest.mark.over(*WSGI_CLASSES, reason="what an ASGI application sends is never closed")
def test_a_close_that_raises_harms_nobody(server):
    worker = server.get("/fine").pid
    assert server.get("/close-raises").body == b"fine"
    assert server.get("/fine").pid == worker
    server.wait_for_log("ValueError: raised by close")


def test_the_requests_behind_a_fault_are_answered_or_refused_whole(server):
    """Nothing pipelined behind a fault gets somebody else's answer."""
    with server.connect() as connection:
        connection.send(
            b"GET /raises HTTP/1.1\r\nHost: a\r\n\r\nGET /fine HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        assert connection.receive().status == 500
        assert connection.is_closed()


def test_a_hundred_faults_in_a_row(server):
    worker = server.get("/fine").pid
    for _ in range(100):
        assert server.get("/raises").status == 500
    assert server.get("/fine").pid == worker
