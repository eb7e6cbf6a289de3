"""The same with FastAPI."""

import contextlib

from fastapi import BackgroundTasks, FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse

done = []


@contextlib.asynccontextmanager
async def lifespan(app):
    yield {"greeting": "hello"}


application = FastAPI(lifespan=lifespan)


@application.get("/items/{id}")
def item(id: int, q: str | None = None):
    # Not async: runs in a thread of anyio's.
    return {"id": id, "q": q}


@application.post("/upload", response_class=PlainTextResponse)
async def upload(request: Request):
    return str(len(await request.body()))


@application.get("/stream")
async def stream():
    async def pieces():
        for number in range(5):
            yield f"{number};"

    return StreamingResponse(pieces(), media_type="text/plain")


@application.get("/state", response_class=PlainTextResponse)
async def state(request: Request):
    return request.state.greeting


@application.get("/background", response_class=PlainTextResponse)
async def background(tasks: BackgroundTasks):
    tasks.add_task(done.append, "done")
    return "later"


@application.get("/told", response_class=PlainTextResponse)
async def told():
    return " ".join(done)


@application.get("/file")
async def file():
    return FileResponse(__file__)


@application.get("/error")
async def error():
    raise ValueError("on purpose")


@application.websocket("/echo")
async def echo(websocket: WebSocket):
    await websocket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        while (text := await websocket.receive_text()) != "bye":
            await websocket.send_text(text)
        await websocket.close(4000)
