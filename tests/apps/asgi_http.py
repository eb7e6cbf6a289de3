"""What an ASGI application can do to a response, right and wrong; the path chooses."""

import asyncio
import os
import tempfile

seen = []
FILE = os.path.join(os.path.dirname(__file__), "static.txt")


class FromState(Exception):
    """Raised by the application."""


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    await PATHS[scope["path"]](scope, receive, send)


async def lifespan(scope, receive, send):
    assert (await receive())["type"] == "lifespan.startup"
    scope["state"]["shared"] = ["from lifespan"]
    await send({"type": "lifespan.startup.complete"})
    await receive()
    print("lifespan: shutdown", flush=True)
    await send({"type": "lifespan.shutdown.complete"})


def start(status=200, headers=(), **more):
    return {"type": "http.response.start", "status": status, "headers": list(headers), **more}


def body(data=b"", more=False):
    return {"type": "http.response.body", "body": data, "more_body": more}


async def text(send, data, status=200):
    data = str(data).encode()
    await send(start(status, [(b"content-length", str(len(data)).encode())]))
    await send(body(data))


async def state(scope, receive, send):
    before = scope["state"].get("own")
    scope["state"]["own"] = True
    await text(send, f"{scope['state']['shared']} {before}")


async def read(receive):
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            seen.append(message["type"])
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return parts


async def upload(scope, receive, send):
    parts = await read(receive)
    if parts is not None:
        await text(send, f"{len(b''.join(parts))} {max(map(len, parts)) <= 256 * 1024}")


async def slow_reader(scope, receive, send):
    """Takes one piece, then waits until it is told to go on."""
    seen.append("asked")
    await receive()
    while "go on" not in seen:
        await asyncio.sleep(0.01)
    await upload(scope, receive, send)


async def go_on(scope, receive, send):
    seen.append("go on")
    await text(send, "ok")


async def stubborn(scope, receive, send):
    """Answers whatever it hears of its client."""
    await read(receive)
    await text(send, "stubborn")


async def begun(scope, receive, send):
    """The same, with a response that has begun before."""
    await send(start(headers=[(b"content-length", b"4")]))
    await send(body(b"be", more=True))
    await read(receive)
    await send(body(b"un"))


async def unread(scope, receive, send):
    await text(send, "unread")


async def stream(scope, receive, send):
    await send(start(headers=[(b"content-type", b"text/plain")]))
    for number in range(3):
        await send(body(b"%d;" % number, more=True))
        await asyncio.sleep(0)
    await send(body())


async def endless(scope, receive, send):
    """Sends until it cannot any more; how far it got tells whether somebody held it back."""
    await send(start())
    sent = 0
    try:
        while True:
            await send(body(b"x" * 65536, more=True))
            sent += 65536
            seen[:] = [f"sent {sent}"]
            await asyncio.sleep(0)
    except OSError as error:
        seen.append(type(error).__name__)
        raise


async def ignores(scope, receive, send):
    """Never looks at its client, and is cancelled some time after that has gone."""
    seen.append("ignores")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        seen.append("cancelled")
        raise


async def trailers(scope, receive, send):
    await send(start(headers=[(b"trailer", b"x-sum")], trailers=True))
    await send(body(b"data"))
    await send(
        {"type": "http.response.trailers", "headers": [(b"x-a", b"1")], "more_trailers": True}
    )
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"2")]})


async def hints(scope, receive, send):
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
    await send({"type": "http.response.informational", "status": 102, "headers": []})
    await text(send, "after hints")


async def path_send(scope, receive, send):
    await send(start(headers=[(b"content-length", str(os.path.getsize(FILE)).encode())]))
    await send({"type": "http.response.pathsend", "path": FILE})


async def zero_copy(scope, receive, send):
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789")
        file.flush()
        await send(start())
        message = {"type": "http.response.zerocopysend", "file": file, "more_body": True}
        await send({**message, "offset": 2, "count": 3})
        await send(body(b"|"))


async def view(scope, receive, send):
    await send(start())
    await send({"type": "http.response.body", "body": memoryview(b"viewed")})


async def event_stream(scope, receive, send):
    await send(start(headers=[(b"content-type", b"text/event-stream")]))
    while True:
        await send(body(b"data: x\n\n", more=True))
        await asyncio.sleep(0.05)


async def listening_stream(scope, receive, send):
    """Ends its stream itself when it hears of the end."""
    await receive()
    await send(start(headers=[(b"content-type", b"text/event-stream")]))
    await send(body(b"data: first\n\n", more=True))
    await receive()
    await send(body(b"data: last\n\n"))


async def told(scope, receive, send):
    await text(send, " ".join(seen))


async def raises(scope, receive, send):
    raise FromState("before the start")


async def raises_after_start(scope, receive, send):
    await send(start())
    raise FromState("after the start")


async def raises_in_body(scope, receive, send):
    await send(start())
    await send(body(b"part", more=True))
    raise FromState("in the body")


async def raises_after_answer(scope, receive, send):
    await text(send, "answered")
    raise FromState("after the answer")


async def exits(scope, receive, send):
    raise SystemExit(7)


async def exits_later(scope, receive, send):
    await asyncio.sleep(0.01)
    raise SystemExit(7)


async def nothing(scope, receive, send):
    pass


async def half(scope, receive, send):
    await send(start())
    await send(body(b"half", more=True))


async def short(scope, receive, send):
    await send(start(headers=[(b"content-length", b"10")]))
    await send(body(b"short"))


async def excess(scope, receive, send):
    await send(start(headers=[(b"content-length", b"3")]))
    await send(body(b"excess"))


class ClientDisconnect(Exception):
    """As Starlette's."""


async def gone(receive):
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_until_it_fails(send):
    await send(start())
    while True:
        await send(body(b"x" * 65536, more=True))
        await asyncio.sleep(0)


async def lets_go(scope, receive, send):
    await gone(receive)
    raise ClientDisconnect


async def lets_go_politely(scope, receive, send):
    """What Starlette makes of it: an answer first, which a client that closed one side can read."""
    try:
        await gone(receive)
        raise ClientDisconnect
    except Exception:
        await text(send, "too late", 500)
        raise


class ExceptionGroup(Exception):
    """Python 3.10 has none of its own."""


async def lets_go_of_a_group(scope, receive, send):
    """As a task group has it whose only task let go."""
    await gone(receive)
    group = ExceptionGroup("one task")
    group.exceptions = (ClientDisconnect(),)
    raise group


async def pretends(scope, receive, send):
    raise ClientDisconnect("nobody left")


async def fails_afterwards(scope, receive, send):
    await gone(receive)
    raise FromState("after the end")


async def fails_to_clean_up(scope, receive, send):
    try:
        await send_until_it_fails(send)
    except OSError:
        raise FromState("in the cleaning up")  # noqa: B904


async def fails_and_cannot_say_so(scope, receive, send):
    try:
        raise FromState("before the answer")
    except FromState:
        await send_until_it_fails(send)


def wrong(*messages):
    async def send_them(scope, receive, send):
        for message in messages:
            await send(message)

    return send_them


async def sends_a_pipe(scope, receive, send):
    """Nobody writes to it, so a server that opens it in earnest waits for ever."""
    reader, writer = os.pipe()
    os.close(writer)
    await send(start())
    with open(reader) as file:
        if scope["path"].endswith("file-pipe"):
            await send({"type": "http.response.zerocopysend", "file": file})
        else:
            path = f"/proc/self/fd/{reader}"
            await send({"type": "http.response.pathsend", "path": path})


def zero_copy_of(file, **more):
    return {"type": "http.response.zerocopysend", "file": file, **more}


PATHS = {
    f"/{function.__name__.replace('_', '-')}": function
    for function in [
        *(
            state,
            upload,
            slow_reader,
            go_on,
            stubborn,
            begun,
            unread,
            stream,
            endless,
            ignores,
            trailers,
            hints,
        ),
        *(path_send, zero_copy, view, event_stream, listening_stream, told, raises),
        *(raises_after_start, raises_in_body, raises_after_answer, exits, exits_later, nothing),
        *(half, short, excess),
        *(lets_go, lets_go_politely, lets_go_of_a_group, pretends, fails_afterwards),
        *(fails_to_clean_up, fails_and_cannot_say_so),
    ]
} | {
    "/wrong/body-first": wrong(body(b"x")),
    "/wrong/start-twice": wrong(start(), start()),
    "/wrong/unknown": wrong({"type": "http.response.nonsense"}),
    "/wrong/no-type": wrong({}),
    "/wrong/no-dict": wrong("http.response.start"),
    "/wrong/no-status": wrong({"type": "http.response.start"}),
    "/wrong/status-text": wrong(start("200")),
    "/wrong/status-1xx": wrong(start(150)),
    "/wrong/status-100": wrong(start(100), body()),
    "/wrong/status-101": wrong(start(101), body()),
    "/wrong/headers-none": wrong({**start(), "headers": None}),
    "/wrong/header-str": wrong(start(headers=[("a", "b")])),
    "/wrong/header-single": wrong(start(headers=[b"ab"])),
    "/wrong/header-injected": wrong(start(headers=[(b"a", b"b\r\nc: d")])),
    "/wrong/header-name": wrong(start(headers=[(b"a b", b"c")])),
    "/wrong/body-str": wrong(start(), {"type": "http.response.body", "body": "text"}),
    "/wrong/trailers": wrong(start(), {"type": "http.response.trailers", "headers": []}),
    "/wrong/trailers-early": wrong(start(trailers=True), {"type": "http.response.trailers"}),
    "/wrong/path-missing": wrong(
        start(), {"type": "http.response.pathsend", "path": "/nowhere/at/all"}
    ),
    "/wrong/path-pipe": sends_a_pipe,
    "/wrong/path-number": wrong(start(), {"type": "http.response.pathsend", "path": 5}),
    "/wrong/file-object": wrong(start(), zero_copy_of(object())),
    "/wrong/file-pipe": sends_a_pipe,
    "/wrong/file-count": wrong(start(), zero_copy_of(open(FILE), count=-1)),
    "/wrong/after-end": wrong(start(), body(b"whole"), body(b"more")),
}
