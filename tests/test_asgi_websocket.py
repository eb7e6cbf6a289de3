"""WebSockets of ASGI applications, seen by a client that knows the protocol."""

import importlib.util
import json

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from support.wait import until

pytestmark = [pytest.mark.beyond_gunicorn, pytest.mark.names_class]

LOOPS = ["asyncio", "uvloop"]
APPLICATION = "asgi_websocket:application"


@pytest.fixture(scope="module", params=LOOPS)
def server(request, serve_module):
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed here")
    return serve_module(APPLICATION, "--worker-class", "asgi", "--asgi-loop", request.param)


def websocket(server, path, **options):
    host, port = server.address
    return connect(f"ws://{host}:{port}{path}", open_timeout=20, close_timeout=20, **options)


def told(server):
    return server.get("/").text.splitlines()


def rest(client):
    """What still comes, and the close code."""
    messages = []
    try:
        while True:
            messages.append(client.recv(timeout=20))
    except ConnectionClosed:
        return messages, client.close_code, client.close_reason


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 1_000_000])
def test_messages_come_back_as_they_were(server, size, compression):
    with websocket(server, "/echo", compression=compression, max_size=None) as client:
        for message in "ä" * (size // 2), bytes(range(256)) * (size // 256) + b"x" * (size % 256):
            client.send(message)
            assert client.recv(timeout=20) == message
        assert bool(client.protocol.extensions) == (compression is not None)


def test_fragments_are_one_message(server):
    with websocket(server, "/echo") as client:
        client.send(["one ", "message ", "in parts"])
        assert client.recv(timeout=20) == "one message in parts"


def test_many_messages_keep_their_order(server):
    with websocket(server, "/echo") as client:
        for number in range(1000):
            client.send(str(number))
        assert [client.recv(timeout=20) for _ in range(1000)] == [str(n) for n in range(1000)]


def test_pings_are_answered(server):
    with websocket(server, "/echo") as client:
        assert client.ping(b"are you there").wait(20)


def test_the_scope_is_that_of_a_websocket(server):
    with websocket(server, "/scope?a=%20b", subprotocols=["one", "two"]) as client:
        scope = json.loads(client.recv(timeout=20))
        assert client.subprotocol == "two"
        assert client.response.headers["X-Of-The-Application"] == "yes"
        assert rest(client) == ([], 1000, "")
    assert scope == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/scope",
        "query_string": "a=%20b",
        "subprotocols": ["one", "two"],
        "extensions": {"websocket.http.response": {}},
        "has_method": False,
        "hosts": 1,
    }


@pytest.mark.parametrize("code, reason", [(1000, ""), (4000, "bye"), (3000, "ä" * 60)])
def test_the_application_hears_of_the_clients_close(server, code, reason):
    with websocket(server, "/echo") as client:
        client.close(code, reason)
        assert client.close_code == code
    line = f"disconnect {code} {reason}".strip()
    assert until(lambda: line in told(server))


def test_a_close_without_a_code_is_1005(server):
    with websocket(server, "/echo") as client:
        client.socket.sendall(b"\x88\x80\x00\x00\x00\x00")
        assert rest(client)[1] == 1005
    assert until(lambda: "disconnect 1005" in told(server))


def test_a_client_that_vanishes_is_1006(server):
    with websocket(server, "/echo") as client:
        client.socket.shutdown(2)
    assert until(lambda: "disconnect 1006" in told(server))


def test_the_client_hears_of_the_applications_close(server):
    with websocket(server, "/goodbye") as client:
        assert rest(client) == ([], 4001, "enough")
    assert until(lambda: "after goodbye 4001" in told(server))


def test_a_code_that_cannot_be_sent_is_refused(server):
    with websocket(server, "/bad-code") as client:
        messages, _, _ = rest(client)
    assert "1006" in messages[0] and "3000 to 4999" in messages[0]


@pytest.mark.parametrize("path", ["/deny", "/deny-late", "/nothing"])
def test_a_close_before_the_acceptance_is_403(server, path):
    with pytest.raises(InvalidStatus) as refusal:
        websocket(server, path)
    assert refusal.value.response.status_code == 403
    assert refusal.value.response.body == b""


def test_an_application_that_does_not_answer_the_handshake_is_named_in_the_log(server):
    with pytest.raises(InvalidStatus):
        websocket(server, "/nothing?named")
    line = "ASGI application returned without accepting the WebSocket: GET /nothing?named\n"
    server.wait_for_log(line)


def test_an_application_can_refuse_with_a_response_of_its_own(server):
    with pytest.raises(InvalidStatus) as refusal:
        websocket(server, "/deny-with-page")
    response = refusal.value.response
    assert (response.status_code, response.body) == (401, b"who are you?")
    assert response.headers["WWW-Authenticate"] == "Basic"


def test_an_application_that_fails_before_the_acceptance_is_500(server):
    with pytest.raises(InvalidStatus) as refusal:
        websocket(server, "/raise-before")
    assert refusal.value.response.status_code == 500
    assert until(lambda: server.log.count("RuntimeError: before accept") == 1)
    line = "Error in WebSocket ASGI application: GET /raise-before\nTraceback"
    assert server.log.count(line) == 1


def test_an_application_that_fails_later_closes_with_1011(server):
    with websocket(server, "/raise-after") as client:
        client.send("go on")
        assert rest(client)[1] == 1011
    assert until(lambda: server.log.count("RuntimeError: after accept") == 1)
    line = "Error in WebSocket ASGI application: GET /raise-after\nTraceback"
    assert server.log.count(line) == 1
    assert "Request: " not in server.log


def test_an_application_that_returns_closes_with_1011(server):
    with websocket(server, "/returns") as client:
        assert rest(client)[:2] == (["that is all"], 1011)


def test_messages_out_of_order_or_of_wrong_types_are_refused(server):
    with websocket(server, "/out-of-order") as client:
        assert rest(client) == (["all refused"], 1000, "")
    assert "was accepted" not in server.log


def test_sending_to_a_client_that_is_gone_raises_oserror(server):
    with websocket(server, "/send-to-nobody") as client:
        client.close()
    assert until(lambda: "send raised ClientDisconnected" in told(server))


def test_only_a_fault_is_an_error_when_the_client_has_gone(serve):
    server = serve(APPLICATION, "--worker-class", "asgi", "--log-level", "debug")
    with websocket(server, "/lets-go") as client:
        client.close()
    line = "[DEBUG] ASGI application ended because its client has gone: GET /lets-go\n"
    server.wait_for_log(line)
    assert "Traceback" not in server.log
    with websocket(server, "/fails-afterwards") as client:
        client.close()
    server.wait_for_log("RuntimeError: after the end\n")
    line = "[ERROR] Error in WebSocket ASGI application: GET /fails-afterwards\nTraceback"
    assert line in server.log


def test_a_sender_waits_for_a_slow_client(server):
    with websocket(server, "/flood", compression=None, max_size=None, max_queue=1) as client:
        client.recv(timeout=20)
        assert until(lambda: any(line.startswith("flood ") for line in told(server)))
        before = until_it_stands_still(server)
        assert before.startswith("flood ") and before != "flood done"
        messages, code, _ = rest(client)
        assert (len(messages) + 1, code) == (1000, 1000)


def until_it_stands_still(server):
    """The last line that was told, when it is the same as a while before."""
    last = [None, 0]

    def is_still():
        line = told(server)[-1]
        last[:] = [line, last[1] + 1 if line == last[0] else 0]
        return last[1] >= 20

    assert until(is_still)
    return last[0]


def test_a_client_waits_for_a_slow_application(server):
    with websocket(server, "/sleepy") as client:
        for _ in range(300):
            client.send(b"y" * 50_000)
        client.send("end")
        assert client.recv(timeout=60) == f"300 {300 * 50_000}"
