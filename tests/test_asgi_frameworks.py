"""A smoke application of each ASGI framework; the framework itself is not tested here."""

import importlib.util

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from support.client import chunked, message
from support.server import APPS
from support.wait import until

pytestmark = [pytest.mark.beyond_gunicorn, pytest.mark.names_class]

FRAMEWORKS = ["starlette", "fastapi", "django", "quart", "litestar", "blacksheep"]


@pytest.fixture(scope="module", params=FRAMEWORKS)
def server(request, serve_module):
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed here")
    # Without a worker class: they have to be recognised.
    server = serve_module(f"asgi_{request.param}:application")
    server.name = request.param
    return server


def test_routes_and_queries(server):
    assert server.get("/items/42?q=x").text.replace(" ", "").strip() == '{"id":42,"q":"x"}'
    assert server.get("/nowhere").status == 404


@pytest.mark.parametrize("size", [0, 10, 2_000_000])
def test_uploads(server, size):
    assert server.post("/upload", b"x" * size).text == str(size)


def test_a_chunked_upload(server):
    with server.connect() as connection:
        connection.send(message("POST", "/upload", [("Transfer-Encoding", "chunked")]))
        connection.send(chunked(b"one", b"three"))
        assert connection.receive().text == "8"
        assert connection.get("/state").text == "hello"


def test_a_stream(server):
    answer = server.get("/stream")
    assert (answer.text, answer.complete) == ("0;1;2;3;4;", True)


def test_what_startup_left(server):
    assert server.get("/state").text == "hello"


def test_background_work(server):
    with server.connect() as connection:
        assert connection.get("/background").text == "later"
        until(lambda: connection.get("/told").text == "done", "the work in the background")


@pytest.mark.parametrize("size", [0, 5, 200_000])
def test_a_websocket_echoes(server, size):
    with connect("ws://{}:{}/echo".format(*server.address)) as client:
        for _ in range(3):
            client.send("ü" * size)
            assert client.recv(20) == "ü" * size


def test_a_websocket_is_closed_by_the_application(server):
    with connect("ws://{}:{}/echo".format(*server.address)) as client:
        client.send("bye")
        with pytest.raises(ConnectionClosed):
            client.recv(20)
        assert client.close_code == 4000


def test_a_websocket_that_its_client_leaves_harms_nobody(server):
    for _ in range(3):
        with connect("ws://{}:{}/echo".format(*server.address)) as client:
            client.send("hello")
            assert client.recv(20) == "hello"
    assert server.get("/state").text == "hello"


def test_a_file(server):
    path = APPS / f"asgi_{server.name}.py"
    assert server.get("/file").body == path.read_bytes()


def test_an_error_is_a_500_and_the_connection_can_go_on(server):
    assert server.get("/error").status == 500
    assert server.get("/state").text == "hello"


def test_an_upload_that_is_broken_off_is_no_error(serve):
    """Starlette raises, answers 500, and raises again."""
    if importlib.util.find_spec("starlette") is None:
        pytest.skip("starlette is not installed here")
    server = serve("asgi_starlette:application", "--log-level", "debug")
    with server.connect() as connection:
        connection.send(message("POST", "/upload", [("Content-Length", "100")]) + b"begun")
    server.wait_for_log("ASGI application ended because its client has gone: POST /upload\n")
    assert "Traceback" not in server.log
