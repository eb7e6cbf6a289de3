"""A Starlette application: oxicorn app:app

It is recognised as ASGI; -k asgi says the same.
"""

import asyncio
import contextlib

from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route


@contextlib.asynccontextmanager
async def lifespan(app):
    """Runs in each worker, before its first request and after its last."""
    yield {"greeting": "Hello"}


async def hello(request):
    return JSONResponse({"message": f"{request.state.greeting}, {request.path_params['name']}!"})


async def events(request):
    """Ends when the client leaves, and when the server does."""

    async def ticks():
        number = 0
        while True:
            yield f"data: {number}\n\n"
            number += 1
            await asyncio.sleep(1)

    return StreamingResponse(ticks(), media_type="text/event-stream")


app = Starlette(lifespan=lifespan, routes=[Route("/hello/{name}", hello), Route("/events", events)])
