"""Hangs in tasks; answers anything else with its pid."""

import asyncio
import os
import time
from pathlib import Path

ended = []


async def application(scope, receive, send):
    """Answer by path: /hang, /together, /swallow, /block[/FILE THAT SAYS SO], /stream/SECONDS, /ended, /pid."""
    if scope["type"] == "lifespan":
        return
    if scope["type"] == "websocket":
        return await echo(receive, send)
    action, _, argument = scope["path"].strip("/").partition("/")
    if action == "hang":
        await hang(scope)
    elif action == "together":
        await asyncio.gather(asyncio.sleep(0), asyncio.create_task(hang(scope)))
    elif action == "swallow":
        await swallow(send)
    elif action == "block":
        if argument:
            Path("/", argument).touch()
        block_here()
    elif action == "stream":
        return await stream(send, float(argument))
    body = " ".join(ended) if action == "ended" else str(os.getpid())
    await answer(send, body.encode())


async def answer(send, body):
    fields = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def hang(scope):
    try:
        await hang_here()
    finally:
        ended.append(scope["path"])


async def hang_here():
    """Where the log should point at."""
    await asyncio.sleep(600)


async def swallow(send):
    """Go on whatever is raised."""
    end = time.monotonic() + 600
    while time.monotonic() < end:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            pass


def block_here():
    """Keep the loop from everything else."""
    time.sleep(600)


async def stream(send, seconds):
    """Begin at once and end later."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
    await asyncio.sleep(seconds)
    await send({"type": "http.response.body", "body": b"ended"})


async def echo(receive, send):
    """Send back what comes."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
