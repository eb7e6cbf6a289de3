"""The same with BlackSheep, which has no background work of its own."""

import asyncio
import contextlib

from blacksheep import (
    Application,
    Content,
    Request,
    Response,
    StreamedContent,
    WebSocket,
    WebSocketDisconnectError,
    get,
    post,
    text,
    ws,
)
from blacksheep import json as json_response

application = Application(show_error_details=False)
done = []
tasks = set()


@application.on_start
async def startup(app):
    app.greeting = "hello"


@get("/items/{int:id}")
async def item(id: int, request: Request):
    values = request.query.get("q")
    return json_response({"id": id, "q": values[0] if values else None})


@post("/upload")
async def upload(request: Request):
    size = 0
    async for piece in request.stream():
        size += len(piece)
    return text(str(size))


@get("/stream")
async def stream():
    async def pieces():
        for number in range(5):
            yield f"{number};".encode()

    return Response(200, content=StreamedContent(b"text/plain", pieces))


@get("/state")
async def state():
    return text(application.greeting)


@get("/background")
async def background():
    async def later():
        done.append("done")

    task = asyncio.create_task(later())
    tasks.add(task)
    return text("later")


@get("/told")
async def told():
    return text(" ".join(done))


@get("/file")
async def whole_file():
    with open(__file__, "rb") as opened:
        return Response(200, content=Content(b"text/plain", opened.read()))


@get("/error")
async def error():
    raise ValueError("on purpose")


@ws("/echo")
async def echo(websocket: WebSocket):
    await websocket.accept()
    with contextlib.suppress(WebSocketDisconnectError):
        while (said := await websocket.receive_text()) != "bye":
            await websocket.send_text(said)
        await websocket.close(4000)
