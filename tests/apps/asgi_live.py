"""What stays open: event streams of two kinds, and WebSockets."""

import asyncio
import contextlib


async def lifespan(receive, send):
    assert (await receive())["type"] == "lifespan.startup"
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    print("lifespan: shutdown", flush=True)
    await send({"type": "lifespan.shutdown.complete"})


async def events(send, until=None):
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while until is None or not until.done():
        await send({"type": "http.response.body", "body": b"data: tick\n\n", "more_body": True})
        await asyncio.sleep(0.2)


async def polite(receive, send):
    """Ends its stream when it hears of the end."""

    async def end():
        while (await receive())["type"] != "http.disconnect":
            pass

    await events(send, asyncio.ensure_future(end()))
    await send({"type": "http.response.body", "body": b"data: bye\n\n"})


async def endless(send):
    """Takes neither the end of its client nor cancellation for a reason to end."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"data: tick\n\n", "more_body": True})
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


async def echo(receive, send):
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def application(scope, receive, send):
    """``/polite`` listens for the end of its client, ``/deaf`` does not, ``/stubborn`` never ends."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    if scope["type"] == "websocket":
        return await echo(receive, send)
    if scope["path"] == "/polite":
        return await polite(receive, send)
    if scope["path"] == "/stubborn":
        return await endless(send)
    with contextlib.suppress(asyncio.CancelledError):
        await events(send)
