"""``wsgi.input``: every way to read it, under every framing and size."""

import hashlib
import json
import os

import pytest

from support.client import chunked, message
from support.server import WSGI_CLASSES
from support.wait import until

pytestmark = pytest.mark.over(*WSGI_CLASSES, reason="wsgi.input is WSGI's")

TEXT = b"first line\nsecond\n\nlast without end"
LINES = ["first line\n", "second\n", "\n", "last without end"]
MIB = 1 << 20


def fours(line):
    return [line[start : start + 4] for start in range(0, len(line), 4)]


EXPECTED = {
    "/read": [TEXT.decode()],
    "/read-none": [TEXT.decode()],
    "/read-negative": [TEXT.decode()],
    "/read-7": [TEXT.decode()[start : start + 7] for start in range(0, len(TEXT), 7)],
    "/read-zero": ["", TEXT.decode()],
    "/read-twice": [TEXT.decode(), "", ""],
    "/readline": LINES,
    "/readline-4": [piece for line in LINES for piece in fours(line)],
    "/readlines": LINES,
    "/iterate": LINES,
    "/mixed": ["first line\n", "sec", "ond\n", "\n", "last without end"],
    "/nothing": [],
    "/wrong-size": ["TypeError"],
}


@pytest.fixture(scope="module")
def server(serve_module, tmp_path_factory):
    folder = tmp_path_factory.mktemp("upload")
    configuration = folder / "configuration.py"
    configuration.write_text(f"tmp_upload_dir = {str(folder)!r}\n")
    server = serve_module("input:application", "--config", configuration)
    server.upload_folder = folder
    return server


def result(response):
    assert response.status == 200, response
    return json.loads(response.body)


def post_chunked(server, path, *parts):
    with server.connect() as connection:
        head = message("POST", path, [("Transfer-Encoding", "chunked")])
        connection.send(head + chunked(*parts))
        return connection.receive()


@pytest.mark.parametrize("path", EXPECTED)
def test_with_content_length(server, path):
    assert result(server.post(path, TEXT))["items"] == EXPECTED[path]


@pytest.mark.parametrize("path", EXPECTED)
def test_chunked(server, path):
    parts = (TEXT[:3], TEXT[3:4], TEXT[4:])
    assert result(post_chunked(server, path, *parts))["items"] == EXPECTED[path]


@pytest.mark.parametrize("path", ["/read", "/readline", "/readlines", "/iterate", "/nothing"])
def test_without_body(server, path):
    assert "".join(result(server.get(path))["items"]) == ""
    assert "".join(result(server.post(path, b""))["items"]) == ""


def test_readlines_with_a_hint_loses_nothing(server):
    assert "".join(result(server.post("/readlines-hint", TEXT))["items"]) == TEXT.decode()


@pytest.mark.parametrize("path", ["/read", "/read-64k", "/iterate", "/mixed"])
@pytest.mark.parametrize("size", [65_536, 524_288, 524_289, 5 * MIB])
def test_large_bodies_are_whole(server, path, size):
    line = b"%07d abcdefghijklmnopqrstuvwxyz\n"
    body = b"".join(line % number for number in range(size // 35 + 1))[:size]
    expected = hashlib.sha256(body).hexdigest()
    found = result(server.post(path, body))
    assert (found["length"], found["sha256"]) == (size, expected)
    parts = [body[start : start + 100_000] for start in range(0, size, 100_000)]
    found = result(post_chunked(server, path, *parts))
    assert (found["length"], found["sha256"]) == (size, expected)


def test_a_large_body_leaves_no_file(server):
    server.post("/read", b"x" * (3 * MIB))
    names = set(os.listdir(server.upload_folder)) - {"configuration.py", "__pycache__"}
    assert not names


@pytest.mark.beyond_gunicorn
def test_a_large_body_waits_on_disk(server):
    """Half of a body that is above the bound: the worker holds a file in tmp_upload_dir."""
    (worker,) = server.workers

    def has_upload():
        folder = f"/proc/{worker}/fd"
        targets = (link_target(f"{folder}/{name}") for name in os.listdir(folder))
        return any(target.startswith(str(server.upload_folder)) for target in targets)

    with server.connect() as connection:
        connection.send(message("POST", "/read", [("Content-Length", str(4 * MIB))]))
        connection.send(b"x" * (2 * MIB))
        until(has_upload, "an open file in tmp_upload_dir")
        connection.send(b"x" * (2 * MIB))
        assert result(connection.receive())["length"] == 4 * MIB
    until(lambda: not has_upload(), "no open file in tmp_upload_dir")


def link_target(path):
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ""


def test_many_requests_with_bodies_on_one_connection(server):
    with server.connect() as connection:
        for size in (0, 1, 100, 70_000, 600_000, 3):
            assert result(connection.post("/read", b"x" * size))["length"] == size


def test_a_body_that_nobody_reads_does_not_disturb_the_next_request(server):
    with server.connect() as connection:
        assert result(connection.post("/nothing", b"GET /evil HTTP/1.1\r\n\r\n"))["items"] == []
        assert result(connection.post("/read", b"next"))["items"] == ["next"]


def test_chunk_extensions_and_trailers_are_no_data(server):
    with server.connect() as connection:
        connection.send(
            message("POST", "/read", [("Transfer-Encoding", "chunked")])
            + b'3;name=value\r\nabc\r\n3;a="quoted ; text"\r\ndef\r\n0\r\nX-Trailer: 1\r\n\r\n'
        )
        assert result(connection.receive())["items"] == ["abcdef"]
        assert result(connection.post("/read", b"next"))["items"] == ["next"]


def test_a_body_cut_short_is_read_as_far_as_it_came(server):
    with server.connect() as connection:
        connection.send(message("POST", "/read", [("Content-Length", "100")]) + b"only this")
        connection.half_close()
        assert result(connection.receive())["items"] == ["only this"]
        assert connection.is_closed()


def test_a_chunked_body_cut_short_is_dropped(server):
    with server.connect() as connection:
        connection.send(message("POST", "/read", [("Transfer-Encoding", "chunked")]) + b"9\r\nonly")
        connection.half_close()
        assert connection.is_closed()
    assert result(server.get("/read"))["length"] == 0
