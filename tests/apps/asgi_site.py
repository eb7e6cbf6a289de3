"""A FastAPI application that shows what an ASGI server's worker class has to do."""

import asyncio
import contextlib
import os
import time

from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from pydantic import BaseModel


@contextlib.asynccontextmanager
async def lifespan(app):
    """Tell of start and end; start only where there is no file ``broken``."""
    # Long enough for a reload that does not wait for it to go wrong.
    await asyncio.sleep(0.3)
    if os.path.exists("broken"):
        raise RuntimeError("the database is not there")
    print(f"startup {os.getpid()}", flush=True)
    yield {"pool": f"pool of {os.getpid()}"}
    print(f"shutdown {os.getpid()}", flush=True)


application = FastAPI(lifespan=lifespan)


class Item(BaseModel):
    name: str
    price: float


@application.get("/pid")
async def pid():
    return os.getpid()


@application.get("/items/{number}")
async def item(number: int, q: str = ""):
    return {"number": number, "q": q}


@application.post("/items")
async def create(item: Item):
    return item


@application.get("/state")
def state(request: Request):
    return request.state.pool


@application.get("/sleep/{seconds}")
async def sleep(seconds: float):
    print("begun", flush=True)
    await asyncio.sleep(seconds)
    return "slept"


@application.get("/spin/{seconds}")
async def spin(seconds: float):
    time.sleep(seconds)


@application.get("/exit")
def leave():
    raise SystemExit(7)


@application.get("/lines")
async def lines():
    async def produce():
        for number in range(3):
            yield f"line {number}\n"
            await asyncio.sleep(0)

    return StreamingResponse(produce(), media_type="text/plain")


@application.websocket("/echo")
async def echo(socket: WebSocket):
    await socket.accept(subprotocol="chat" if "chat" in socket.scope["subprotocols"] else None)
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                print("disconnected with", message["code"], flush=True)
                return
            if message.get("text") == "bye":
                await socket.close(4000, "as you wish")
                return
            await socket.send({**message, "type": "websocket.send"})


@application.websocket("/private")
async def private(socket: WebSocket):
    await socket.close()
