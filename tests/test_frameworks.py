"""Flask, Django, Pyramid and Falcon, served directly and behind nginx.

The four applications have the same paths, so that one list of tests does for all.
"""

import hashlib
import json

import pytest

from support.server import APPS, WSGI_CLASSES

pytestmark = pytest.mark.over(*WSGI_CLASSES, reason="these are WSGI frameworks")

FRAMEWORKS = ["flask", "django", "pyramid", "falcon"]
FILE = (APPS / "static.txt").read_bytes()


@pytest.fixture(scope="module", params=FRAMEWORKS)
def server(request, serve_module):
    pytest.importorskip(request.param)
    return serve_module(f"framework_{request.param}:app", unix=True)


@pytest.fixture(scope="module")
def proxied(server, nginx):
    return nginx(server)


@pytest.fixture(params=["direct", "unix", "nginx-tcp", "nginx-unix"])
def connection(request, server):
    """A connection by one of the ways that lead to the application."""
    if request.param.startswith("nginx"):
        way = request.getfixturevalue("proxied").connect(request.param.removeprefix("nginx-"))
    else:
        way = server.connect(unix=request.param == "unix")
    way.scheme = "https" if request.param.startswith("nginx") else "http"
    with way:
        yield way


def test_pages(connection):
    for _ in range(3):
        assert connection.get("/").text == "hello"
    assert connection.get("/scheme").text == connection.scheme
    assert connection.get("/no/such/page").status == 404
    moved = connection.get("/redirect")
    assert moved.status == 302
    assert moved.header("Location").endswith("/items/1")
    head = connection.request("HEAD", "/")
    assert head.status in (200, 405)  # Falcon answers HEAD only where it is told to
    assert connection.get("/").text == "hello"


def test_route_and_query(connection):
    response = connection.get("/items/7?q=caf%C3%A9+%26%20more")
    assert json.loads(response.body) == {"number": 7, "q": "caf\xe9 & more"}


def test_form_and_json(connection):
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    response = connection.post("/form", b"name=J%C3%BCrgen&empty=&sum=1%2B1", form)
    fields = json.loads(response.body)
    assert fields.pop("empty", "") == ""  # Falcon leaves out what is empty
    assert fields == {"name": "J\xfcrgen", "sum": "1+1"}
    document = {"text": "\u20ac \U0001f980", "list": [1, None, {"deep": True}]}
    encoded = json.dumps(document).encode()
    response = connection.post("/json", encoded, [("Content-Type", "application/json")])
    assert json.loads(response.body) == document


def test_upload(connection):
    content = bytes(range(256)) * 4096  # 1 MiB
    body = (
        b'--edge\r\nContent-Disposition: form-data; name="file"; filename="all bytes.bin"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n"
        + content
        + b'\r\n--edge\r\nContent-Disposition: form-data; name="note"\r\n\r\na note\r\n--edge--\r\n'
    )
    kind = [("Content-Type", "multipart/form-data; boundary=edge")]
    assert json.loads(connection.post("/upload", body, kind).body) == {
        "name": "all bytes.bin",
        "sha256": hashlib.sha256(content).hexdigest(),
        "note": "a note",
    }


def test_stream(connection):
    response = connection.get("/stream")
    assert response.text == "".join(f"line {number}\n" for number in range(50))
    assert response.complete


def test_cookies(connection):
    response = connection.get("/cookies", [("Cookie", "theirs=kept; other=too")])
    assert json.loads(response.body) == {"theirs": "kept", "other": "too"}
    first, second = response.all("Set-Cookie")
    assert first.startswith("one=1")
    assert second.startswith("two=2")
    assert "httponly" in second.lower()


def test_static_file(connection):
    response = connection.get("/file")
    assert response.header("Content-Length") == str(len(FILE))
    assert response.body == FILE
    assert connection.get("/").text == "hello"


def test_error_page(connection):
    """Made by the framework or, where it lets the exception through, by the server."""
    assert connection.get("/error").status == 500


def test_the_server_is_well_after_an_error(server):
    (worker,) = server.workers
    for _ in range(10):
        assert server.get("/error").status == 500
    assert server.get("/").text == "hello"
    assert server.workers == [worker]
