"""HTTP/1 from outside: what is answered, what is refused, and when the connection stays."""

import json
import shutil
import subprocess

import pytest

from support.client import chunked, message
from support.server import IS_ASGI, IS_GUNICORN

GET = message("GET", "/")
LIMITS = ("--limit-request-line", 200, "--limit-request-fields", 20)


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module(
        "echo:application", "--keep-alive", 10, "--limit-request-field_size", 1000, *LIMITS
    )


def seen(response):
    assert response.status == 200, response
    return json.loads(response.body)


def test_a_connection_serves_many_requests(server):
    with server.connect() as connection:
        for number in range(20):
            response = connection.get(f"/{number}")
            assert seen(response)["path"] == f"/{number}"
            assert response.header("Connection") in (None, "keep-alive")


def test_pipelined_requests_are_answered_in_order(server):
    with server.connect() as connection:
        connection.send(
            message("GET", "/1")
            + message("POST", "/2", body=b"two")
            + message("POST", "/3", [("Transfer-Encoding", "chunked")])
            + chunked(b"th", b"ree")
            + message("HEAD", "/4")
            + message("GET", "/5")
        )
        answers = [connection.receive(head=number == 4) for number in range(1, 6)]
    bodies = [(seen(answers[i])["path"], seen(answers[i])["body"]) for i in (0, 1, 2, 4)]
    assert bodies == [("/1", ""), ("/2", "two"), ("/3", "three"), ("/5", "")]


def test_many_pipelined_requests(server):
    with server.connect() as connection:
        connection.send(b"".join(message("GET", f"/{number}") for number in range(100)))
        for number in range(100):
            assert seen(connection.receive())["path"] == f"/{number}"


def test_close_is_honoured(server):
    with server.connect() as connection:
        response = connection.get("/", [("Connection", "close")])
        assert response.header("Connection") == "close"
        assert connection.is_closed()


def test_http_1_0_closes_unless_asked_to_stay(server):
    with server.connect() as connection:
        connection.send(b"GET / HTTP/1.0\r\n\r\n")
        assert seen(connection.receive())["protocol"] == "HTTP/1.0"
        assert connection.is_closed()
    with server.connect() as connection:
        for _ in range(2):
            connection.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert connection.receive().header("Connection") == "keep-alive"


def test_keep_alive_0_closes(serve):
    server = serve("echo:application", "--keep-alive", 0)
    with server.connect() as connection:
        assert connection.get("/").header("Connection") == "close"
        assert connection.is_closed()


def test_an_idle_connection_is_closed_after_keep_alive_seconds(serve):
    server = serve("echo:application", "--keep-alive", 1)
    with server.connect() as connection:
        assert connection.get("/").header("Connection") in (None, "keep-alive")
        assert connection.is_closed()


def test_head_has_the_length_and_no_body(server):
    with server.connect() as connection:
        response = connection.request("HEAD", "/")
        assert int(response.header("Content-Length")) > 0
        assert seen(connection.get("/next"))["path"] == "/next"


def test_every_answer_has_server_and_date(server):
    response = server.get("/")
    assert response.header("Server") == ("gunicorn" if IS_GUNICORN else "oxicorn")
    assert response.header("Date").endswith(" GMT")


def test_expect_100_continue(server):
    with server.connect() as connection:
        head = message("POST", "/", [("Expect", "100-Continue"), ("Content-Length", "4")])
        connection.send(head)
        assert connection.receive(interim=True).status == 100
        connection.send(b"body")
        assert seen(connection.receive())["body"] == "body"


def test_expect_100_continue_of_http_1_0_is_ignored(server):
    with server.connect() as connection:
        connection.send(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody")
        assert connection.receive(interim=True).status == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        GET,
        message("POST", "/", body=b"a body"),
        message("POST", "/", [("Transfer-Encoding", "chunked")]) + chunked(b"a ", b"body"),
    ],
    ids=["get", "length", "chunked"],
)
def test_a_request_may_come_byte_by_byte(server, request_bytes):
    with server.connect() as connection:
        for _ in range(2):
            connection.send_bytewise(request_bytes)
            assert seen(connection.receive())["body"] in ("", "a body")


def test_a_client_may_close_its_side_after_the_request(server):
    with server.connect() as connection:
        connection.send(GET)
        connection.half_close()
        assert seen(connection.receive())
        assert connection.is_closed()


def test_an_empty_line_before_the_request_is_skipped(server):
    with server.connect() as connection:
        connection.send(b"\r\n" + GET)
        assert seen(connection.receive())


REFUSED = {
    "no-request-line": (b"nonsense\r\n\r\n", 400),
    "binary": (bytes(range(128, 256)) + b"\r\n\r\n", 400),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 \r\n\r\n", 400),
    "lower-case-method": (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "version": (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 400),
    "version-words": (b"GET / HTTPS\r\nHost: a\r\n\r\n", 400),
    "bare-line-feed": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "space-in-target": (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "space-before-colon": (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    "folded": (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400),
    "nul": (b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400),
    "two-hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "length-words": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ten\r\n\r\n", 400),
    "length-plus": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", 400),
    "two-lengths": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        400,
    ),
    "both-framings": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n",
        400,
    ),
    "chunked-twice": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "chunk-size": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
        400,
    ),
    "chunk-without-end": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
        400,
    ),
    "long-line": (b"GET /" + b"a" * 300 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "expect": (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\n\r\n", 417),
    "large-field": (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 1001 + b"\r\n\r\n", 431),
    "many-fields": (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * 20 + b"\r\n", 431),
    "coding": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: rot13, chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
}


def skip_ignored(name):
    if IS_ASGI and name == "expect":
        pytest.skip("Gunicorn's asgi worker ignores it, as RFC 9110 §10.1.1 allows")


@pytest.mark.parametrize("name", REFUSED)
def test_refusal(server, name):
    """The right status, a page, a closed connection; the worker goes on."""
    skip_ignored(name)
    request, status = REFUSED[name]
    before = server.get("/").pid
    with server.connect() as connection:
        connection.send(request)
        response = connection.receive()
        assert connection.is_closed()
    assert response.status == status
    assert response.header("Connection") == "close"
    assert response.header("Content-Type").startswith("text/html")
    assert b"<h1><p>" in response.body
    assert server.get("/").pid == before


REASONS = {
    400: "Bad Request",
    414: "URI Too Long",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
}


@pytest.mark.beyond_gunicorn
@pytest.mark.parametrize("name", ["folded", "long-line", "expect", "many-fields", "coding"])
def test_a_refusal_has_its_own_reason_and_a_date(server, name):
    skip_ignored(name)
    request, status = REFUSED[name]
    with server.connect() as connection:
        connection.send(request)
        response = connection.receive()
    assert response.reason == REASONS[status]
    assert response.header("Date").endswith(" GMT")


def test_a_refusal_quotes_the_input_harmlessly(server):
    with server.connect() as connection:
        connection.send(b"<script>alert(1)</script> / HTTP/1.1\r\n\r\n")
        response = connection.receive()
    assert response.status == 400
    assert b"<script>" not in response.body


def test_the_request_before_a_bad_one_is_answered(server):
    with server.connect() as connection:
        connection.send(message("GET", "/good") + b"nonsense\r\n\r\n" + message("GET", "/never"))
        assert seen(connection.receive())["path"] == "/good"
        assert connection.receive().status == 400
        assert connection.is_closed()


def test_a_client_that_leaves_is_no_error(serve):
    server = serve("echo:application")
    for start in (b"", b"GE", GET[:-2], b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc"):
        with server.connect() as connection:
            connection.send(start)
    assert server.get("/").status == 200
    assert "Traceback" not in server.log
    assert "[ERROR]" not in server.log
    assert "[WARNING]" not in server.log


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed here")
@pytest.mark.parametrize("flags", [[], ["--http1.0"], ["-H", "Transfer-Encoding: chunked"]])
def test_curl(server, tmp_path, flags):
    body = tmp_path / "body"
    body.write_bytes(b"curl " * 100_000)
    url = "http://{}:{}/a%20path".format(*server.address)
    command = ["curl", "-sS", "--noproxy", "*", "--max-time", "20", "--data-binary", f"@{body}"]
    answer = subprocess.run(
        [*command, *flags, url, url], stdout=subprocess.PIPE, check=True
    ).stdout.decode()
    first, end = json.JSONDecoder().raw_decode(answer)
    second, _ = json.JSONDecoder().raw_decode(answer[end:])
    assert first["length"] == second["length"] == 500_000
    assert first["path"] == "/a path"
