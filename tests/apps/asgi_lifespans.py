"""Applications that differ in what they do with lifespan."""

import asyncio
import json


async def answer(scope, receive, send):
    data = json.dumps(
        {
            key: scope.get(key)
            for key in ("type", "asgi", "http_version", "method", "scheme", "path", "root_path")
        }
        | {
            "raw_path": scope["raw_path"].decode("latin-1"),
            "query_string": scope["query_string"].decode("latin-1"),
            "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
            "client": scope["client"] and list(scope["client"]),
            "server": list(scope["server"]),
            "state": scope["state"],
        }
    ).encode()
    headers = [(b"content-length", str(len(data)).encode()), (b"x-own", b"yes")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": data})


async def none(scope, receive, send):
    assert scope["type"] == "http"
    await answer(scope, receive, send)


async def returns(scope, receive, send):
    if scope["type"] == "http":
        await answer(scope, receive, send)


async def fails(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})


async def fails_and_raises(scope, receive, send):
    """As Starlette does when its lifespan raises."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        raise RuntimeError("no database")


async def raises_in_startup(scope, receive, send):
    if scope["type"] != "lifespan":
        return await answer(scope, receive, send)
    await receive()
    raise RuntimeError("no configuration")


async def exits_in_startup(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        raise SystemExit("no key")


async def raises_later(scope, receive, send):
    if scope["type"] != "lifespan":
        return await answer(scope, receive, send)
    await receive()
    await send({"type": "lifespan.startup.complete"})
    raise RuntimeError("a background task of the application")


async def never_starts(scope, receive, send):
    await receive()
    print("starting", flush=True)
    try:
        await asyncio.sleep(600)
    finally:
        print("cleaned up", flush=True)


async def full(scope, receive, send):
    if scope["type"] != "lifespan":
        return await answer(scope, receive, send)
    await receive()
    print("startup", flush=True)
    scope["state"]["key"] = "value"
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await asyncio.sleep(0.1)
    print("shutdown", flush=True)
    await send({"type": "lifespan.shutdown.complete"})


async def shutdown_fails(scope, receive, send):
    if scope["type"] != "lifespan":
        return await answer(scope, receive, send)
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.failed", "message": "still busy"})
