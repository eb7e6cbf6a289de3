"""What an application yields is on its way at once."""

import time

import pytest

from support.client import message


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("clients:application", unix=True)


def test_an_item_is_sent_before_the_next_is_asked_for(server, tmp_path):
    for number in range(3):
        gate = tmp_path / f"gate-{number}"
        with server.connect() as connection:
            connection.send(message("GET", f"/waits?file={gate}"))
            assert connection.receive_head().status == 200
            assert connection.receive_chunk() == b"first"
            gate.touch()
            assert connection.receive_chunk() == b"second"
            assert connection.receive_chunk() == b""


def test_an_item_is_sent_at_once_to_http_1_0(server, tmp_path):
    gate = tmp_path / "gate"
    with server.connect() as connection:
        connection.send(f"GET /waits?file={gate} HTTP/1.0\r\n\r\n".encode())
        connection.receive_head()
        while b"first" not in connection.buffer:
            assert connection._more()
        gate.touch()
        assert connection.receive_all() == b"firstsecond"


@pytest.mark.parametrize("unix", [False, True])
def test_small_chunks_do_not_wait_for_each_other(server, unix):
    """With Nagle's algorithm and delayed acknowledgements it would be 40 ms for each."""
    times = []
    for _ in range(3):
        start = time.monotonic()
        response = server.get("/chunks", unix=unix)
        times.append(time.monotonic() - start)
        assert response.body == b"".join(b"%02d" % number for number in range(64))
        assert response.chunks[0] == b"00"
        assert len(response.chunks) == 64
    assert min(times) < 0.3


def test_small_chunks_on_one_connection(server):
    """Nor does the first chunk wait for the acknowledgement of the previous response."""
    start = time.monotonic()
    with server.connect() as connection:
        for _ in range(20):
            assert len(connection.get("/chunks").chunks) == 64
    assert time.monotonic() - start < 5


def test_a_large_stream_is_whole(server):
    response = server.get("/large-stream")
    assert response.complete
    assert response.body == b"x" * 5_000_000
