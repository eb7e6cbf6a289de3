"""The twin of ``faults`` for ASGI: what an application of either interface can get wrong."""

import asyncio
import os
import sys

from messages import http_only, part, start, whole

TEXT = [("Content-Type", "text/plain")]


async def fine(send):
    await whole(send, b"fine", [*TEXT, ("X-Pid", str(os.getpid()))])


async def raises(send):
    raise ValueError("raised by the application")


async def exits(send):
    sys.exit(3)


async def raises_unprintable(send):
    class Unprintable(Exception):
        def __str__(self):
            raise RuntimeError("no text for you")

    raise Unprintable


async def deep(send):
    await deep(send)


async def start_twice(send):
    await start(send, TEXT)
    await start(send, TEXT)


async def never_starts(send):
    await part(send, b"no head", more=False)


def answer(status=200, headers=((b"content-type", b"text/plain"),), body=b"x"):
    async def application(send):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return application


async def short(send):
    await start(send, [*TEXT, ("Content-Length", "10")])
    await part(send, b"first", more=False)


async def short_items(send):
    await start(send, [*TEXT, ("Content-Length", "10")])
    await part(send, b"first")
    await asyncio.sleep(0.01)
    await part(send, b"two", more=False)


def after_first_part(error):
    async def application(send):
        await start(send, TEXT)
        await part(send, b"first")
        raise error

    return application


def second_part(data):
    async def application(send):
        await start(send, TEXT)
        await part(send, b"first")
        await part(send, data)

    return application


PATHS = {
    "/fine": fine,
    # 500: nothing was sent yet
    "/raises": raises,
    "/exits": exits,
    "/raises-unprintable": raises_unprintable,
    "/deep": deep,
    "/returns-none": answer(body=None),
    "/returns-int": answer(body=7),
    "/status-number": answer(status=2000),
    "/status-words": answer(status="OK 200"),
    "/status-newline": answer(status="200 OK\r\nX-Forged: 1"),
    "/header-newline": answer(headers=[(b"x-value", b"1\r\nX-Forged: 1")]),
    "/header-nul": answer(headers=[(b"x-value", b"1\0")]),
    "/header-name": answer(headers=[(b"x name", b"1")]),
    "/header-name-newline": answer(headers=[(b"x-name\r\nx-forged", b"1")]),
    "/header-number": answer(headers=[(b"x-number", 1)]),
    "/header-bytes": answer(headers=[("x-str", b"1")]),
    "/header-wide": answer(headers=[(b"x-wide", "\u20ac")]),
    "/header-not-a-pair": answer(headers=[(b"x-single",)]),
    "/headers-none": answer(headers=7),
    "/length-words": answer(headers=[(b"content-length", b"four")]),
    "/start-twice": start_twice,
    "/never-starts": never_starts,
    # cut: the head is out
    "/short": short,
    "/short-items": short_items,
    "/raises-later": after_first_part(ValueError("raised after the first part")),
    "/exits-later": after_first_part(SystemExit(3)),
    "/yields-str": second_part("second"),
    "/yields-none": second_part(None),
}


@http_only
async def application(scope, receive, send):
    """Route."""
    await PATHS[scope["path"]](send)
