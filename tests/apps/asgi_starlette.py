"""A Starlette application that uses what a server has to get right."""

import contextlib

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

done = []


@contextlib.asynccontextmanager
async def lifespan(app):
    yield {"greeting": "hello"}


async def item(request):
    return JSONResponse({"id": request.path_params["id"], "q": request.query_params.get("q")})


async def upload(request):
    size = 0
    async for piece in request.stream():
        size += len(piece)
    return PlainTextResponse(str(size))


async def stream(request):
    async def pieces():
        for number in range(5):
            yield f"{number};"

    return StreamingResponse(pieces(), media_type="text/plain")


async def state(request):
    return PlainTextResponse(request.state.greeting)


async def background(request):
    return PlainTextResponse("later", background=BackgroundTask(done.append, "done"))


async def told(request):
    return PlainTextResponse(" ".join(done))


async def file(request):
    return FileResponse(__file__)


async def error(request):
    raise ValueError("on purpose")


async def echo(websocket):
    await websocket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        while (text := await websocket.receive_text()) != "bye":
            await websocket.send_text(text)
        await websocket.close(4000)


application = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/items/{id:int}", item),
        Route("/upload", upload, methods=["POST"]),
        Route("/stream", stream),
        Route("/state", state),
        Route("/background", background),
        Route("/told", told),
        Route("/file", file),
        Route("/error", error),
        WebSocketRoute("/echo", echo),
    ],
)
