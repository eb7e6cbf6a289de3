"""Tells what it knows of its client; WSGI and ASGI."""

import asyncio
import threading
import time


def application(environ, start_response):
    """Answer by path: /budget, /wait (until told that the client is gone), /keep."""
    client, deadline = environ["oxicorn.client"], environ["oxicorn.deadline"]
    action = environ["PATH_INFO"].strip("/")
    body = answer(action, client, deadline)
    if action == "wait":
        told = []
        client.on_disconnect(lambda: told.append(threading.current_thread()))
        until = time.monotonic() + 30
        while not told and time.monotonic() < until:
            time.sleep(0.005)
        print("told", told[0] is not threading.current_thread(), client.gone, flush=True)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def answer(action, client, deadline):
    if action == "keep":
        # Forgotten with the request.
        client.on_disconnect(lambda: print("too late", flush=True))
    if action == "wrong":
        try:
            client.on_disconnect(5)
        except TypeError as error:
            return str(error).encode()
    left = "none" if deadline is None else f"{deadline - time.monotonic():.3f}"
    return f"{left} {client.gone}".encode()


async def asgi(scope, receive, send):
    """Do the same."""
    if scope["type"] != "http":
        return
    request = scope["extensions"]["oxicorn.request"]
    client = request["client"]
    action = scope["path"].strip("/")
    body = answer(action, client, request["deadline"])
    if action == "wait":
        told = asyncio.Event()
        # Called in the loop, so that this may be done.
        client.on_disconnect(told.set)
        await asyncio.wait_for(told.wait(), 30)
        print("told", True, client.gone, flush=True)
    fields = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})
