"""The messages of ASGI that the twins in this folder send and take."""

import contextlib
import functools


class Gone(Exception):
    """The client has left before its request was whole."""


def http_only(application):
    """An application that takes no part in lifespan, as most small ones do.

    It gives up quietly where the client does.
    """

    @functools.wraps(application)
    async def wrapped(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        with contextlib.suppress(Gone):
            await application(scope, receive, send)

    return wrapped


async def start(send, headers=(), status=200):
    """Send the start of a response; header fields are pairs of str."""
    fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": fields})


async def part(send, data, more=True):
    """Send a part of the body."""
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def whole(send, data, headers=(), status=200):
    """Send a response of one part."""
    await start(send, [*headers, ("Content-Length", str(len(data)))], status)
    await part(send, data, more=False)


async def read(receive):
    """The body of the request."""
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)
