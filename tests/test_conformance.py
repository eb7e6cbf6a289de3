"""Where one message ends and the next begins, seen from both sides of every doubt.

Each case is a request with a second one hidden behind it. Either the server refuses and closes, or
it sees exactly the requests that RFC 9112 says are there: never a different number.
"""

import json

import pytest

from support.client import message


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("echo:application")


def post(fields, body):
    return f"POST /first HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode("latin-1") + body


NEXT = message("GET", "/next", [("Connection", "close")])
CHUNKED = "Transfer-Encoding: chunked\r\n"

ACCEPTED = {
    "no body": (post("", b""), b""),
    "length": (post("Content-Length: 5\r\n", b"hello"), b"hello"),
    "length zero": (post("Content-Length: 0\r\n", b""), b""),
    "length with leading zeros": (post("Content-Length: 005\r\n", b"hello"), b"hello"),
    "blanks around the length": (post("Content-Length:\t 5 \r\n", b"hello"), b"hello"),
    "a body that looks like a request": (
        post("Content-Length: 18\r\n", b"GET / HTTP/1.1\r\n\r\n"),
        None,
    ),
    "chunked": (post(CHUNKED, b"5\r\nhello\r\n0\r\n\r\n"), b"hello"),
    "chunked in capitals": (
        post("TRANSFER-ENCODING: CHUNKED\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        b"hello",
    ),
    "hexadecimal size": (post(CHUNKED, b"A\r\n0123456789\r\n0\r\n\r\n"), b"0123456789"),
    "small hexadecimal size": (post(CHUNKED, b"a\r\n0123456789\r\n0\r\n\r\n"), b"0123456789"),
    "size with leading zeros": (post(CHUNKED, b"005\r\nhello\r\n000\r\n\r\n"), b"hello"),
    "line ends inside a chunk": (post(CHUNKED, b"4\r\n\r\n\r\n\r\n0\r\n\r\n"), b"\r\n\r\n"),
    "chunk extension": (post(CHUNKED, b"5;a=b;c\r\nhello\r\n0;d\r\n\r\n"), b"hello"),
    "trailers": (post(CHUNKED, b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"), b"hello"),
    "colons in a value": (post("X: a: b: c\r\n", b""), b""),
    "empty value": (post("X:\r\n", b""), b""),
    "no blank after the colon": (post("X:1\r\n", b""), b""),
}

REFUSED = {
    "length and chunked": post("Content-Length: 5\r\n" + CHUNKED, b"0\r\n\r\n"),
    "chunked and length": post(CHUNKED + "Content-Length: 5\r\n", b"0\r\n\r\n"),
    "lengths that differ": post("Content-Length: 5\r\nContent-Length: 6\r\n", b"hello"),
    "length twice": post("Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"),
    "list of lengths": post("Content-Length: 5, 5\r\n", b"hello"),
    "negative length": post("Content-Length: -5\r\n", b"hello"),
    "signed length": post("Content-Length: +5\r\n", b"hello"),
    "hexadecimal length": post("Content-Length: 0x5\r\n", b"hello"),
    "underscore in the length": post("Content-Length: 1_0\r\n", b"0123456789"),
    "empty length": post("Content-Length:\r\n", b""),
    "other digits": post("Content-Length: \xb2\r\n", b"ab"),
    "endless length": post("Content-Length: " + "9" * 40 + "\r\n", b""),
    "chunked not last": post("Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n"),
    "chunked twice": post(CHUNKED + CHUNKED, b"0\r\n\r\n"),
    "vertical tab before chunked": post("Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"),
    "quoted chunked": post('Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n"),
    "unknown coding": post("Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
    "blank before the colon": post("Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
    "folded coding": post("Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"),
    "coding on HTTP/1.0": post(CHUNKED, b"0\r\n\r\n").replace(b"HTTP/1.1", b"HTTP/1.0"),
    "blank before the first field": post("", b"").replace(b"\r\nHost", b"\r\n Host"),
    "field without a name": post(": value\r\n", b""),
    "field without a colon": post("nonsense\r\n", b""),
    "carriage return in a value": post("X: a\rb\r\n", b""),
    "line feed in a value": post("X: a\nContent-Length: 5\r\n", b"hello"),
    "nul in a name": post("X\0: a\r\n", b""),
    "size with a sign": post(CHUNKED, b"+5\r\nhello\r\n0\r\n\r\n"),
    "size with a prefix": post(CHUNKED, b"0x5\r\nhello\r\n0\r\n\r\n"),
    "size with an underscore": post(CHUNKED, b"0_5\r\nhello\r\n0\r\n\r\n"),
    "blank before the size": post(CHUNKED, b" 5\r\nhello\r\n0\r\n\r\n"),
    "empty size": post(CHUNKED, b"\r\nhello\r\n0\r\n\r\n"),
    "endless size": post(CHUNKED, b"f" * 17 + b"\r\nhello\r\n0\r\n\r\n"),
    "size line that ends in LF": post(CHUNKED, b"5\nhello\r\n0\r\n\r\n"),
    "chunk that ends in LF": post(CHUNKED, b"5\r\nhello\n0\r\n\r\n"),
    "chunk longer than its size": post(CHUNKED, b"5\r\nhello!\r\n0\r\n\r\n"),
    "line feed in an extension": post(CHUNKED, b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    "length in a trailer": post(CHUNKED, b"0\r\nContent-Length: 5\r\n\r\n"),
}


@pytest.mark.parametrize("case", ACCEPTED)
@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
def test_accepted(server, case, bytewise):
    first, body = ACCEPTED[case]
    with server.connect() as connection:
        (connection.send_bytewise if bytewise else connection.send)(first + NEXT)
        seen = [json.loads(connection.receive().body) for _ in range(2)]
        assert connection.is_closed()
    assert [request["path"] for request in seen] == ["/first", "/next"]
    if body is not None:
        assert seen[0]["body"].encode("latin-1") == body


# Gunicorn waits for as many bytes as nobody can send.
BEYOND = {"endless length", "endless size"}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=[pytest.mark.beyond_gunicorn] if case in BEYOND else [])
        for case in REFUSED
    ],
)
@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
def test_refused(server, case, bytewise):
    with server.connect() as connection:
        (connection.send_bytewise if bytewise else connection.send)(REFUSED[case] + NEXT)
        answer = connection.receive()
        assert connection.is_closed(), "something was served behind a request that is in doubt"
    assert 400 <= answer.status < 600
    assert answer.header("X-Pid") is None
