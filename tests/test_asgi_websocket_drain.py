"""WebSockets at the end of a worker."""

import asyncio
import signal

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from support.wait import until

pytestmark = [pytest.mark.beyond_gunicorn, pytest.mark.names_class("asgi")]

APPLICATION = "asgi_websocket:application"
MANY = 200


async def open_all(server, count):
    host, port = server.address
    url = f"ws://{host}:{port}/echo"
    clients = []
    for _ in range(count):
        clients.append(await connect(url, open_timeout=60, ping_interval=None))
    return clients


async def the_end(client):
    try:
        while True:
            await client.recv()
    except ConnectionClosed:
        return client.close_code


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_every_websocket_is_told_that_the_worker_leaves(serve, loop):
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    server = serve(APPLICATION, "--worker-class", "asgi", "--asgi-loop", loop)

    async def run():
        clients = await open_all(server, MANY)
        for client in clients:
            await client.send("hello")
            assert await client.recv() == "hello"
        server.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(asyncio.gather(*map(the_end, clients)), 60)

    assert asyncio.run(run()) == [1012] * MANY
    assert server.process.wait(60) == 0
    assert "LIFESPAN-SHUTDOWN" in server.log
    assert "Traceback" not in server.log


def test_a_client_that_ignores_the_close_holds_nobody_up(serve):
    server = serve(APPLICATION, "--worker-class", "asgi", "--graceful-timeout", "20")

    async def run():
        (client,) = await open_all(server, 1)
        client.transport.pause_reading()
        server.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(server.process.wait, 60)

    assert asyncio.run(run()) == 0
    assert until(lambda: "LIFESPAN-SHUTDOWN" in server.log)
