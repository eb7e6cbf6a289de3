"""Every shape of response, bare and with ``wsgiref.validate`` around the application."""

from pathlib import Path

import pytest

from support.server import APPS, IS_GUNICORN, WSGI_CLASSES
from support.wait import until

pytestmark = pytest.mark.over(*WSGI_CLASSES, reason="these are shapes of WSGI applications")

FILE = (APPS / "static.txt").read_bytes()


@pytest.fixture(scope="module", params=["application", "validated"])
def server(request, serve_module):
    server = serve_module(f"shapes:{request.param}")
    server.is_validated = request.param == "validated"
    yield server
    # wsgiref.validate complains in the log of what it cannot raise to anybody.
    assert "AssertionError" not in server.log
    assert "without being closed" not in server.log


@pytest.fixture(scope="module")
def bare(serve_module):
    return serve_module("shapes:application")


BODIES = {
    "/list": b"one, two, three",
    "/tuple": b"one, two, three",
    "/generator": b"one, two, three",
    "/iterator": b"one, two, three",
    "/late-start": b"one, two, three",
    "/write": b"written, twice, returned",
    "/empty-list": b"",
    "/empty-items": b"",
    "/in-pieces": b"onetwosix",
    "/file": FILE,
    "/file-chunked": FILE,
    "/file-part": FILE[10:30],
    "/not-a-file": b"from memory",
    "/teapot": b"short and stout",
    "/no-reason": b"fine",
}


@pytest.mark.parametrize("path", BODIES)
def test_body(server, path):
    if server.is_validated and path in ("/no-reason", "/late-start"):
        pytest.skip("wsgiref.validate does not allow this")
    with server.connect() as connection:
        response = connection.get(path)
        assert response.body == BODIES[path]
        assert response.complete
        assert response.header("Transfer-Encoding") in (None, "chunked")
        # The connection is still in step.
        assert connection.get("/tuple").body == b"one, two, three"


@pytest.mark.parametrize("path", BODIES)
def test_body_for_http_1_0(server, path):
    if server.is_validated and path in ("/no-reason", "/late-start"):
        pytest.skip("wsgiref.validate does not allow this")
    with server.connect() as connection:
        connection.send(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        response = connection.receive()
        assert response.version == "HTTP/1.0"
        assert response.header("Transfer-Encoding") is None
        assert response.body == BODIES[path]
        assert connection.is_closed()


@pytest.mark.parametrize("path", ["/list", "/iterator", "/in-pieces", "/write", "/file"])
def test_head(server, path):
    if server.is_validated and path == "/in-pieces":
        pytest.skip("wsgiref.validate does not allow this")
    with server.connect() as connection:
        response = connection.request("HEAD", path)
        assert response.status == 200
        length = response.header("Content-Length")
        assert length in (None, "9", str(len(FILE)))
        assert connection.get("/list").body == b"one, two, three"


def test_no_content(server):
    with server.connect() as connection:
        response = connection.get("/no-content")
        assert (response.status, response.reason) == (204, "No Content")
        assert response.header("Transfer-Encoding") is None
        assert response.header("Content-Length") is None
        assert connection.get("/list").body == b"one, two, three"


def test_no_content_with_a_body(bare):
    with bare.connect() as connection:
        assert connection.get("/no-content-with-body").status == 204
        assert connection.get("/list").body == b"one, two, three"


def test_not_modified(server):
    with server.connect() as connection:
        response = connection.get("/not-modified")
        assert response.status == 304
        assert response.header("ETag") == '"1"'
        assert response.header("Transfer-Encoding") is None
        if not server.is_validated:
            assert connection.get("/not-modified-length").header("Content-Length") == "100"
        assert connection.get("/list").body == b"one, two, three"


def test_a_single_item_is_not_given_a_length(server):
    response = server.get("/teapot")
    assert (response.status, response.reason) == (418, "I'm a teapot")
    assert response.header("Content-Length") is None
    assert response.chunks == [b"short and stout"]


def test_more_than_the_length_is_cut(bare):
    with bare.connect() as connection:
        assert connection.get("/too-much").body == b"one"
        assert connection.get("/list").body == b"one, two, three"


def test_constants_mean_the_same_each_time(bare):
    """The server remembers what it has checked; a length among it still is one."""
    with bare.connect() as connection:
        for _ in range(4):
            first, second = connection.get("/constant"), connection.get("/constant-created")
            assert (first.status, second.status) == (200, 201)
            assert first.all("Content-Length") == second.all("Content-Length") == ["3"]
            assert first.body == second.body == b"one"
            if not IS_GUNICORN:  # It sends both.
                twice = connection.get("/constant-twice")
                assert (twice.all("Content-Length"), twice.body) == (["3"], b"one")
        # What it remembers is no reason to send two lengths that differ.
        assert connection.get("/constant-unclear").status == (200 if IS_GUNICORN else 500)


def test_close_is_called_once_a_request(serve):
    server = serve("shapes:application")
    asked = ["/iterator", "/generator", "/not-a-file", "/no-content", "/in-pieces", "/empty-items"]
    with server.connect() as connection:
        for path in asked:
            connection.get(path)
        connection.request("HEAD", "/iterator")
        assert connection.get("/closed").text == str(len(asked) + 1)


def test_exc_info_replaces_the_response(server):
    response = server.get("/replaced")
    assert (response.status, response.reason) == (409, "Conflict")
    assert response.body == b"conflict"


def test_fields_keep_order_and_case(bare):
    response = bare.get("/headers")
    names = [name for name, _ in response.headers]
    own = {"X-First", "set-cookie", "Set-Cookie", "x-LAST", "X-Latin", "Content-Length"}
    assert [name for name in names if name in own] == [
        "X-First",
        "set-cookie",
        "Set-Cookie",
        "x-LAST",
        "X-Latin",
        "Content-Length",
    ]
    assert response.header("x-last") == "trimmed"
    assert response.header("X-Latin") == "caf\xe9"
    assert response.all("Set-Cookie") == ["a=1", "b=2"]


def test_fields_of_the_server_are_not_the_applications(bare):
    response = bare.get("/headers")
    assert response.header("Server") == ("gunicorn" if IS_GUNICORN else "oxicorn")
    assert response.header("Date").endswith("GMT")
    assert response.header("Connection") in (None, "keep-alive")
    assert response.header("Keep-Alive") is None
    assert response.header("Transfer-Encoding") is None


def test_early_hints(bare):
    with bare.connect() as connection:
        connection.send(b"GET /early-hints HTTP/1.1\r\nHost: a\r\n\r\n")
        hint = connection.receive(interim=True)
        assert (hint.status, hint.header("Link")) == (103, "</style.css>; rel=preload")
        assert connection.receive().body == b"ok"
    with bare.connect() as connection:
        connection.send(b"GET /early-hints HTTP/1.0\r\n\r\n")
        assert connection.receive(interim=True).status == 200


def test_files_do_not_stay_open(serve):
    server = serve("shapes:application")
    server.get("/file")
    (worker,) = server.workers

    def open_files():
        links = (link for link in Path(f"/proc/{worker}/fd").iterdir() if link.exists())
        return sum(link.resolve().name == "static.txt" for link in links)

    for path in ("/file", "/file-chunked", "/file-part"):
        server.get(path)
    with server.connect() as connection:
        connection.request("HEAD", "/file")
    until(lambda: open_files() == 0, "no open file")
