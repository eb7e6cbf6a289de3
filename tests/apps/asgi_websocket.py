"""WebSockets: the path chooses what happens."""

import asyncio
import json
import sys

told = []


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        name = scope["path"].strip("/").replace("-", "_")
        await globals()[name](scope, receive, send)
    else:
        body = "\n".join(told).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def lifespan(receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    print("LIFESPAN-SHUTDOWN", file=sys.stderr, flush=True)
    await send({"type": "lifespan.shutdown.complete"})


async def accept(receive, send, **more):
    assert await receive() == {"type": "websocket.connect"}
    await send({"type": "websocket.accept", **more})


async def echo(scope, receive, send):
    await accept(receive, send)
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            told.append(f"disconnect {message['code']} {message['reason']}".strip())
            return
        message["type"] = "websocket.send"
        await send(message)


async def slow_echo(scope, receive, send):
    """Thinks about every message, and counts those that it could answer."""
    await accept(receive, send)
    answered = 0
    while (message := await receive())["type"] == "websocket.receive":
        await asyncio.sleep(0.2)
        await send({**message, "type": "websocket.send"})
        answered += 1
    told.append(f"answered {answered}, then {message['code']}")


async def tick(scope, receive, send):
    """Takes no message, and sends until it cannot."""
    await accept(receive, send)
    try:
        while True:
            await send({"type": "websocket.send", "text": "tick"})
            await asyncio.sleep(0.05)
    except OSError as error:
        told.append(f"tick ended with {type(error).__name__}")


async def scope(scope, receive, send):
    subprotocol = scope["subprotocols"][-1] if scope["subprotocols"] else None
    headers = [(b"x-of-the-application", b"yes")]
    await accept(receive, send, subprotocol=subprotocol, headers=headers)
    known = {
        key: value
        for key, value in scope.items()
        if key in ("type", "asgi", "http_version", "scheme", "path", "subprotocols", "extensions")
    }
    known["query_string"] = scope["query_string"].decode()
    known["has_method"] = "method" in scope
    known["hosts"] = sum(name == b"host" for name, _ in scope["headers"])
    await send({"type": "websocket.send", "text": json.dumps(known)})
    await send({"type": "websocket.close"})


async def goodbye(scope, receive, send):
    await accept(receive, send)
    await send({"type": "websocket.close", "code": 4001, "reason": "enough"})
    message = await receive()
    told.append(f"after goodbye {message['code']}")
    # To close what is closed is no fault.
    await send({"type": "websocket.close"})


async def one_word(scope, receive, send):
    await accept(receive, send)
    await receive()
    await send({"type": "websocket.close", "code": 4001})


async def bad_code(scope, receive, send):
    await accept(receive, send)
    try:
        await send({"type": "websocket.close", "code": 1006})
    except ValueError as error:
        await send({"type": "websocket.send", "text": str(error)})


async def deny(scope, receive, send):
    await receive()
    await send({"type": "websocket.close"})


async def deny_late(scope, receive, send):
    await receive()
    await asyncio.sleep(0.01)
    await send({"type": "websocket.close"})


async def deny_with_page(scope, receive, send):
    await receive()
    headers = [(b"content-type", b"text/plain"), (b"www-authenticate", b"Basic")]
    start = {"type": "websocket.http.response.start", "status": 401, "headers": headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": b"who are ", "more_body": True})
    await asyncio.sleep(0)
    await send({"type": "websocket.http.response.body", "body": b"you?"})


async def nothing(scope, receive, send):
    pass


async def raise_before(scope, receive, send):
    raise RuntimeError("before accept")


async def raise_after(scope, receive, send):
    await accept(receive, send)
    await receive()
    raise RuntimeError("after accept")


async def returns(scope, receive, send):
    await accept(receive, send)
    await send({"type": "websocket.send", "text": "that is all"})


async def out_of_order(scope, receive, send):
    await receive()
    await refused(send, {"type": "websocket.send", "text": "too early"}, RuntimeError)
    await send({"type": "websocket.accept"})
    await refused(send, {"type": "websocket.accept"}, RuntimeError)
    await refused(send, {"type": "websocket.send"}, ValueError)
    await refused(send, {"type": "websocket.send", "text": b"bytes"}, TypeError)
    await refused(send, {"type": "websocket.send", "bytes": 5}, TypeError)
    await refused(send, {"type": "websocket.send", "text": "\udc80"}, UnicodeError)
    await refused(send, {"type": "http.response.start", "status": 200}, RuntimeError)
    await send({"type": "websocket.send", "text": "all refused"})
    await send({"type": "websocket.close"})
    await refused(send, {"type": "websocket.send", "text": "too late"}, (RuntimeError, OSError))


async def refused(send, message, error):
    try:
        await send(message)
    except error:
        return
    raise AssertionError(f"{message} was accepted")


async def send_to_nobody(scope, receive, send):
    await accept(receive, send)
    while (await receive())["type"] != "websocket.disconnect":
        pass
    try:
        await send({"type": "websocket.send", "text": "hello?"})
    except OSError as error:
        told.append(f"send raised {type(error).__name__}")


class WebSocketDisconnect(Exception):
    """As Starlette's."""


async def lets_go(scope, receive, send):
    await accept(receive, send)
    while (await receive())["type"] != "websocket.disconnect":
        pass
    raise WebSocketDisconnect


async def fails_afterwards(scope, receive, send):
    await accept(receive, send)
    while (await receive())["type"] != "websocket.disconnect":
        pass
    raise RuntimeError("after the end")


async def flood(scope, receive, send):
    """Sends far more than any buffer takes, and tells how far it has come."""
    await accept(receive, send)
    piece = b"x" * 65536
    told.append("flood begins")
    for number in range(1000):
        await send({"type": "websocket.send", "bytes": piece})
        told[-1] = f"flood {number}"
    told.append("flood done")
    await send({"type": "websocket.close"})


async def sleepy(scope, receive, send):
    """Receives nothing until it is told to, by a file; then counts."""
    await accept(receive, send)
    await asyncio.sleep(1)
    total = count = 0
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "end":
            break
        total += len(message["bytes"])
        count += 1
    await send({"type": "websocket.send", "text": f"{count} {total}"})
    await send({"type": "websocket.close"})


async def deaf(scope, receive, send):
    """Never hears that its client has gone."""
    await accept(receive, send)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        told.append("deaf was cancelled")
        raise


async def hangs_up(scope, receive, send):
    """Ends the WebSocket itself, and has something left to do."""
    await accept(receive, send)
    await send({"type": "websocket.close"})
    try:
        await asyncio.sleep(3)
        told.append("hangs-up was left alone")
    except asyncio.CancelledError:
        told.append("hangs-up was cancelled")
        raise
