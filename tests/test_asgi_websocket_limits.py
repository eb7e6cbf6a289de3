"""Handshakes that are wrong, clients that are silent, messages that are too big."""

import socket

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from support.client import message
from support.wait import until

pytestmark = [pytest.mark.beyond_gunicorn, pytest.mark.names_class("asgi")]

APPLICATION = "asgi_websocket:application"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module(
        APPLICATION,
        *("--worker-class", "asgi", "--access-logfile", "-", "--no-websocket-compression"),
        *("--websocket-max-message-size", "1000", "--asgi-disconnect-grace-period", "1"),
        *("--websocket-ping-interval", "1", "--websocket-ping-timeout", "4"),
    )


def handshake(server, path="/echo", method="GET", body=b"", **changes):
    fields = {**HANDSHAKE, **{name.replace("_", "-"): value for name, value in changes.items()}}
    fields = [(name, value) for name, value in fields.items() if value is not None]
    with server.connect() as connection:
        connection.send(message(method, path, fields, body))
        return connection.receive()


@pytest.mark.parametrize(
    "changes, status",
    [
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Sec_WebSocket_Version": None}, 426),
        ({"Sec_WebSocket_Key": "abc"}, 400),
        ({"Sec_WebSocket_Key": None}, 400),
        ({"Sec_WebSocket_Protocol": "a b"}, 400),
        ({"Content_Length": "2", "body": b"hi"}, 400),
    ],
)
def test_wrong_handshakes_are_refused(server, changes, status):
    response = handshake(server, **changes)
    assert response.status == status
    assert response.header("Sec-WebSocket-Version") == ("13" if status == 426 else None)
    assert response.header("Connection") == "close"


@pytest.mark.parametrize(
    "changes", [{"Upgrade": None}, {"Connection": "keep-alive"}, {"method": "POST"}]
)
def test_requests_that_open_no_websocket_are_like_any_other(server, changes):
    assert handshake(server, **changes).status == 200


def test_a_handshake_has_one_line_in_the_access_log(server):
    with websocket(server, "/echo?logged") as client:
        client.send("one")
        client.recv(timeout=20)
    server.wait_for_log('"GET /echo?logged HTTP/1.1" 101 0')
    assert server.log.count("/echo?logged") == 1


def websocket(server, path, **options):
    host, port = server.address
    options = {"open_timeout": 20, "close_timeout": 20, "ping_interval": None, **options}
    return connect(f"ws://{host}:{port}{path}", **options)


def test_compression_can_be_off(server):
    with websocket(server, "/echo") as client:
        assert not client.protocol.extensions


@pytest.mark.parametrize("text", ["x" * 1001, ["x" * 600, "y" * 600]])
def test_messages_beyond_the_limit_close_with_1009(server, text):
    with websocket(server, "/echo") as client:
        client.send("x" * 1000)
        assert client.recv(timeout=20) == "x" * 1000
        with pytest.raises(ConnectionClosed):
            # The end may come before the last fragment is sent.
            client.send(text)
            client.recv(timeout=20)
        assert client.close_code == 1009
    assert until(lambda: "disconnect 1009 Message exceeds 1000 bytes" in server.get("/").text)


@pytest.mark.parametrize(
    "frame, code",
    [
        (b"\x81\x02hi", 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (b"\xc1\x80\0\0\0\0", 1002),
        (b"\x81\x81\0\0\0\0\xff", 1007),
        (b"\x88\x82\0\0\0\0\x03\xed", 1002),
    ],
)
def test_violations_close_with_their_code(server, frame, code):
    with opened(server) as connection:
        connection.send(frame)
        head, rest = frames(connection, 4)
        assert head[0] == 0x88
        assert int.from_bytes(rest, "big") == code


HI = b"\x81\x82\0\0\0\0hi"
RESERVED = b"\x83\x80\0\0\0\0"


def messages(connection):
    """What comes up to the end of the connection, frame by frame: a text, or the code of a close."""
    while received := connection.socket.recv(65536):
        connection.buffer += received
    found = []
    while len(connection.buffer) > 1:
        head, _ = frames(connection, 2)
        content = frames(connection, head[1])
        content = content[0] + content[1]
        is_close = head[0] == 0x88
        found.append(int.from_bytes(content[:2], "big") if is_close else content.decode())
    return found


@pytest.mark.parametrize("path", ["/echo", "/slow-echo"])
@pytest.mark.parametrize("pieces", [[HI + HI + RESERVED + HI], [HI + HI, RESERVED, HI]])
def test_messages_before_a_violation_are_answered(server, path, pieces):
    with opened(server, path) as connection:
        for piece in pieces:
            connection.send(piece)
        assert messages(connection) == ["hi", "hi", 1002]


def test_the_application_hears_of_a_violation_behind_its_messages(server):
    with opened(server, "/slow-echo") as connection:
        connection.send(HI + HI + RESERVED)
        assert messages(connection) == ["hi", "hi", 1002]
    until(lambda: "answered 2, then 1002" in server.get("/told").text, "the end")


def test_a_violation_with_nothing_to_answer_ends_at_once(server):
    with opened(server, "/tick") as connection:
        connection.send(RESERVED)
        assert messages(connection)[-1] == 1002
    until(lambda: "tick ended with ClientDisconnected" in server.get("/told").text, "the end")


def test_a_violation_does_not_wait_for_ever_for_an_application(server):
    # It sends on for the time of a close, and not longer.
    with opened(server, "/tick") as connection:
        connection.send(HI + RESERVED)
        found = messages(connection)
    assert found[-1] == 1002
    assert found.count("tick") > 20


def test_a_close_of_the_application_after_a_violation_has_its_code(server):
    with opened(server, "/one-word") as connection:
        connection.send(HI + RESERVED)
        assert messages(connection) == [1002]


def test_a_client_that_does_not_answer_pings_is_closed(server):
    with opened(server) as connection:
        # The ping after a second, and the close after four more.
        assert frames(connection, 2) == (b"\x89\x00", b"")
        head, code = frames(connection, 4)
        assert (head[0], code) == (0x88, (1011).to_bytes(2, "big"))
    assert until(lambda: "disconnect 1006" in server.get("/").text)


def test_a_client_that_answers_pings_stays(server):
    with opened(server) as connection:
        for _ in range(3):
            assert frames(connection, 2) == (b"\x89\x00", b"")
            connection.send(b"\x8a\x80\0\0\0\0")
        connection.send(b"\x81\x82\0\0\0\0hi")
        assert frames(connection, 4) == (b"\x81\x02", b"hi")


def opened(server, path="/echo"):
    """A connection after its handshake."""
    connection = server.connect()
    connection.send(message("GET", path, list(HANDSHAKE.items())))
    while b"\r\n\r\n" not in connection.buffer:
        connection.buffer += connection.socket.recv(65536)
    assert connection.buffer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in connection.buffer
    connection.buffer = connection.buffer.partition(b"\r\n\r\n")[2]
    return connection


def frames(connection, length):
    """The first two of so many bytes, and the others."""
    while len(connection.buffer) < length:
        received = connection.socket.recv(65536)
        assert received, f"the server closed after {connection.buffer}"
        connection.buffer += received
    data, connection.buffer = connection.buffer[:length], connection.buffer[length:]
    return data[:2], data[2:]


@pytest.mark.parametrize("says_goodbye", [True, False])
def test_a_task_whose_client_has_gone_is_cancelled_after_its_grace(server, says_goodbye):
    cancelled = server.get("/told").text.count("deaf was cancelled")
    with connect("ws://{}:{}/deaf".format(*server.address)) as client:
        if not says_goodbye:
            client.socket.shutdown(socket.SHUT_RDWR)
    until(lambda: server.get("/told").text.count("deaf was cancelled") > cancelled, "the end")
    assert "Traceback" not in server.log


def test_a_task_that_ended_its_websocket_is_left_alone(server):
    with connect("ws://{}:{}/hangs-up".format(*server.address)) as client:
        with pytest.raises(ConnectionClosed):
            client.recv(20)
    until(lambda: "hangs-up was " in server.get("/told").text, "the end of the task")
    assert "hangs-up was left alone" in server.get("/told").text
