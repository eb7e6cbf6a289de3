"""Everything that stays open by itself, at the end of a worker."""

import asyncio
import signal
import time

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

pytestmark = [pytest.mark.beyond_gunicorn, pytest.mark.names_class]

MANY = 200
GRACEFUL = 20


async def event_stream(address, path):
    """An event stream of which the first event has come."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    await reader.readuntil(b"data: tick\n\n")
    return reader, writer


async def end_of_stream(stream):
    """What came last; the client closes as soon as it has seen the end."""
    reader, writer = stream
    rest = await reader.read()
    writer.close()
    return rest[-7:]


async def end_of_websocket(client):
    try:
        await client.recv()
    except ConnectionClosed:
        return client.close_code


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_websockets_and_event_streams_see_a_clean_end(serve, loop):
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    server = serve(
        "asgi_live:application",
        *("--worker-class", "asgi", "--asgi-loop", loop, "--graceful-timeout", GRACEFUL),
    )
    uri = "ws://{}:{}/".format(*server.address)

    async def run():
        sockets = [await connect(uri, max_queue=None, open_timeout=60) for _ in range(MANY)]
        paths = ["/polite", "/deaf"] * (MANY // 2)
        streams = [await event_stream(server.address, path) for path in paths]
        for socket in sockets:
            await socket.send("hello")
            assert await socket.recv() == "hello"
        server.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        ends = [*map(end_of_websocket, sockets), *map(end_of_stream, streams)]
        ends = await asyncio.wait_for(asyncio.gather(*ends), 60)
        return ends[:MANY], ends[MANY:], time.monotonic() - began

    codes, tails, took = asyncio.run(run())
    assert codes == [1012] * MANY
    # The last chunk: each response is a whole one.
    assert tails == [b"\r\n0\r\n\r\n"] * MANY
    assert took < GRACEFUL
    assert server.process.wait(60) == 0
    assert "lifespan: shutdown" in server.log
    assert "Traceback" not in server.log


@pytest.mark.parametrize("graceful", [2, 10])
def test_a_response_that_never_ends_has_its_access_line(serve, tmp_path, graceful):
    log = tmp_path / "access.log"
    server = serve(
        "asgi_live:application",
        *("--worker-class", "asgi", "--graceful-timeout", graceful, "--access-logfile", log),
    )

    async def run():
        _, writer = await event_stream(server.address, "/stubborn")
        server.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(server.process.wait, 60)
        writer.close()

    asyncio.run(run())
    (line,) = log.read_text().splitlines()
    assert '"GET /stubborn HTTP/1.1" 200 ' in line
