"""nginx in front: over TCP and a unix socket, with and without upstream keep-alive."""

import json

import pytest

from support.client import chunked, message


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("echo:application", "--keep-alive", 20, unix=True)


@pytest.fixture(scope="module")
def proxy(server, nginx):
    return nginx(server)


@pytest.fixture(scope="module")
def streams(serve_module, nginx):
    return nginx(serve_module("clients:application", unix=True))


@pytest.fixture(params=["tcp", "unix"])
def upstream(request):
    return request.param


def seen(response):
    assert response.status == 200, response
    return json.loads(response.body)


def test_the_upstream_connection_is_kept(proxy):
    """The port of nginx's side stays the same from client to client."""
    ports = set()
    for _ in range(20):
        with proxy.connect("tcp") as connection:
            ports.add(seen(connection.get("/"))["environ"]["REMOTE_PORT"])
    assert len(ports) == 1


def test_what_nginx_forwards_is_believed(proxy, upstream):
    with proxy.connect(upstream) as connection:
        found = seen(connection.get("/a%20b?q=1"))["environ"]
    assert found["wsgi.url_scheme"] == "https"
    assert found["HTTP_HOST"] == "test.example"
    assert found["PATH_INFO"] == "/a b"
    assert found["HTTP_X_FORWARDED_FOR"] in ("unix:", "127.0.0.1")


def test_uploads(proxy, upstream):
    body = b"0123456789abcdef" * 200_000  # 3.2 MB
    with proxy.connect(upstream) as connection:
        for size in (0, 1, 70_000, len(body)):
            assert seen(connection.post("/", body[:size]))["length"] == size
        head = message("POST", "/", [("Transfer-Encoding", "chunked")])
        connection.send(head + chunked(body[:100], body[100:90_000]))
        assert seen(connection.receive())["length"] == 90_000


def test_an_unbuffered_upload(proxy):
    """nginx passes the body on as it comes, in chunks if that is how it comes."""
    with proxy.connect("unix") as connection:
        connection.send(message("POST", "/unbuffered/", [("Transfer-Encoding", "chunked")]))
        connection.send(b"5\r\nfirst\r\n")
        connection.send(b"6\r\nsecond\r\n0\r\n\r\n")
        assert seen(connection.receive())["body"] == "firstsecond"


def test_the_old_way(proxy):
    """nginx's defaults of old: HTTP/1.0, closed after each request."""
    with proxy.connect("unix") as connection:
        for _ in range(3):
            found = seen(connection.post("/old/x", b"body"))
            assert found["protocol"] == "HTTP/1.0"
            assert found["body"] == "body"


def test_large_answers(streams, upstream):
    with streams.connect(upstream) as connection:
        for path in ("/large", "/large-stream", "/large"):
            response = connection.get(path)
            assert response.complete
            assert response.body == b"x" * 5_000_000


def test_streams_pass_through_unbuffered(streams, tmp_path):
    gate = tmp_path / "gate"
    with streams.connect("unix") as connection:
        connection.send(message("GET", f"/unbuffered/waits?file={gate}"))
        connection.receive_head()
        assert connection.receive_chunk() == b"first"
        gate.touch()
        assert connection.receive_chunk() == b"second"
        assert connection.receive_chunk() == b""


def test_no_upstream_error_was_logged(proxy, server, upstream):
    """Five hundred short requests over kept connections, and nginx has nothing to complain of."""
    with proxy.connect(upstream) as connection:
        for number in range(500):
            assert seen(connection.get(f"/{number}"))["path"] == f"/{number}"
    log = proxy.log_file.read_text()
    assert "upstream prematurely closed" not in log
    assert "[error]" not in log
