"""The same with Litestar."""

import contextlib

from litestar import Litestar, MediaType, Request, WebSocket, get, post, websocket
from litestar.background_tasks import BackgroundTask
from litestar.exceptions import WebSocketDisconnect
from litestar.response import File, Response, Stream

done = []


async def startup(app):
    app.state.greeting = "hello"


@get("/items/{id:int}")
async def item(id: int, q: str | None = None) -> dict:
    return {"id": id, "q": q}


@post("/upload", media_type=MediaType.TEXT, status_code=200)
async def upload(request: Request) -> str:
    size = 0
    async for piece in request.stream():
        size += len(piece)
    return str(size)


@get("/stream")
async def stream() -> Stream:
    async def pieces():
        for number in range(5):
            yield f"{number};"

    return Stream(pieces(), media_type="text/plain")


@get("/state", media_type=MediaType.TEXT)
async def state(request: Request) -> str:
    return request.app.state.greeting


async def later() -> None:
    done.append("done")


@get("/background", media_type=MediaType.TEXT)
async def background() -> Response[str]:
    return Response("later", background=BackgroundTask(later))


@get("/told", media_type=MediaType.TEXT)
async def told() -> str:
    return " ".join(done)


@get("/file")
async def file() -> File:
    return File(path=__file__)


@get("/error")
async def error() -> None:
    raise ValueError("on purpose")


@websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        while (text := await socket.receive_text()) != "bye":
            await socket.send_text(text)
        await socket.close(code=4000)


application = Litestar(
    [item, upload, stream, state, background, told, file, error, echo], on_startup=[startup]
)
