"""The ASGI applications of the comparison. They do the same for every server and nothing else."""

from __future__ import annotations

from app import HELLO, LARGE

TEXT = (b"content-type", b"text/plain; charset=utf-8")
JSON = (b"content-type", b"application/json")
BINARY = (b"content-type", b"application/octet-stream")
PIECE = 64 * 1024
PIECES = [LARGE[start : start + PIECE] for start in range(0, len(LARGE), PIECE)]


async def no_lifespan(scope, receive, send):
    """Take part in it, so that no server has to guess."""
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def answer(send, body, content_type=TEXT):
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [content_type, length]})
    await send({"type": "http.response.body", "body": body})


async def hello(scope, receive, send):
    if scope["type"] == "lifespan":
        return await no_lifespan(scope, receive, send)
    await answer(send, HELLO)


async def profile(scope, receive, send):
    """JSON made of the target and two fields of the request."""
    if scope["type"] == "lifespan":
        return await no_lifespan(scope, receive, send)
    headers = dict(scope["headers"])
    language = headers[b"accept-language"].decode().partition(",")[0]
    signed_in = "true" if b"session=" in headers[b"cookie"] else "false"
    body = (
        f'{{"path": "{scope["path"]}", "query": "{scope["query_string"].decode()}", '
        f'"language": "{language}", "signed_in": {signed_in}, "items": [1, 2, 3]}}'
    )
    await answer(send, body.encode(), JSON)


async def upload(scope, receive, send):
    """Read the whole body and say how long it was."""
    if scope["type"] == "lifespan":
        return await no_lifespan(scope, receive, send)
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    await answer(send, str(length).encode())


async def streamed(scope, receive, send):
    """1 MiB in pieces of 64 KiB, of a length that is not announced."""
    if scope["type"] == "lifespan":
        return await no_lifespan(scope, receive, send)
    await send({"type": "http.response.start", "status": 200, "headers": [BINARY]})
    for piece in PIECES:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
