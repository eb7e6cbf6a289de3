"""Hello from Starlette: what of a server's advantage is left below a framework."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def hello(request: Request) -> PlainTextResponse:
    """Answer with the same body as the plain application."""
    return PlainTextResponse("Hello, World!")


app = Starlette(routes=[Route("/", hello)])
