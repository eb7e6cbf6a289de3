"""A chat room on WebSockets, without a framework.

    oxicorn -k asgi --chdir examples/chat main:app

Open http://127.0.0.1:8000/ in two windows. One worker has one room: with several, let them meet in
a broker.
"""

from pathlib import Path

PAGE = Path(__file__).with_name("page.html").read_bytes()

room = set()


async def app(scope, receive, send):
    """Serve the page, and the room to those who connect to it."""
    if scope["type"] == "websocket":
        await chat(receive, send)
    elif scope["type"] == "http":
        headers = [(b"content-type", b"text/html; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": PAGE})
    else:
        raise NotImplementedError(scope["type"])


async def chat(receive, send):
    """Pass on what one client says to all who are there."""
    await receive()
    await send({"type": "websocket.accept"})
    room.add(send)
    try:
        while (message := await receive())["type"] == "websocket.receive":
            await tell_all(message.get("text") or "")
    finally:
        room.discard(send)


async def tell_all(text):
    """Send to everybody; who has gone in the meantime is passed over."""
    for send in list(room):
        try:
            await send({"type": "websocket.send", "text": text})
        except OSError:
            room.discard(send)
