"""The same with Quart."""

from quart import Quart, jsonify, request, send_file, websocket

application = Quart(__name__)
done = []


@application.before_serving
async def startup():
    application.config["GREETING"] = "hello"


@application.get("/items/<int:id>")
async def item(id):
    return jsonify(id=id, q=request.args.get("q"))


@application.post("/upload")
async def upload():
    size = 0
    async for piece in request.body:
        size += len(piece)
    return str(size)


@application.get("/stream")
async def stream():
    async def pieces():
        for number in range(5):
            yield f"{number};".encode()

    return pieces(), 200, {"Content-Type": "text/plain"}


@application.get("/state")
async def state():
    return application.config["GREETING"]


@application.get("/background")
async def background():
    async def later():
        done.append("done")

    application.add_background_task(later)
    return "later"


@application.get("/told")
async def told():
    return " ".join(done)


@application.get("/file")
async def file():
    return await send_file(__file__)


@application.get("/error")
async def error():
    raise ValueError("on purpose")


@application.websocket("/echo")
async def echo():
    while (text := await websocket.receive()) != "bye":
        await websocket.send(text)
    await websocket.close(4000)
