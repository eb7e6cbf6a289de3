"""The worker class for tornado: its loop runs, and applications of tornado's own are served by its server."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import tornado.httpserver
import tornado.web
from tornado.httputil import HTTPMessageDelegate, HTTPServerConnectionDelegate
from tornado.ioloop import IOLoop

from oxicorn import _oxicorn
from oxicorn.asgi import loops
from oxicorn.workers import base

#: Seconds between two looks whether the worker has to leave.
LOOK = 0.5


class TornadoWorker(base.Worker):
    """Runs tornado's loop.

    WSGI applications are served by the engine of all worker classes, nested in that loop, one request at a
    time. Applications of tornado's own are served by tornado's HTTP server.
    """

    ioloop: IOLoop

    def init_process(self) -> None:
        """Make a loop before the application loads: it may want to add callbacks."""
        asyncio.set_event_loop(loops.new_event_loop("asyncio"))
        self.ioloop = IOLoop.current()
        super().init_process()

    def run(self) -> None:
        """Serve until the worker is told to leave."""
        if isinstance(self.wsgi, tornado.web.Application):
            service: WsgiService | TornadoService = TornadoService(self)
        else:
            service = WsgiService(self)
        service.begin()
        self.ioloop.start()


class WsgiService:
    """The engine in tornado's loop."""

    def __init__(self, worker: TornadoWorker) -> None:
        self._ioloop = worker.ioloop
        self._engine = _oxicorn.NestedEngine(worker)
        self._timer: object = None

    def begin(self) -> None:
        """Serve from now on."""
        self._ioloop.add_handler(self._engine.fileno(), self._turn, IOLoop.READ)
        self._timer = self._ioloop.call_later(0, self._turn)

    def _turn(self, *_event: object) -> None:
        self._ioloop.remove_timeout(self._timer)
        rest = self._engine.turn()
        if rest is None:
            self._ioloop.remove_handler(self._engine.fileno())
            self._ioloop.stop()
        else:
            self._timer = self._ioloop.call_later(rest, self._turn)


class TornadoService:
    """Tornado's server on the worker's sockets."""

    def __init__(self, worker: TornadoWorker) -> None:
        self._worker = worker
        self._ioloop = worker.ioloop
        #: Requests that are being answered.
        self.running = 0
        self._left_at: float | None = None
        keepalive = worker.cfg.keepalive
        self._server = tornado.httpserver.HTTPServer(
            Delegate(worker.wsgi, self),
            no_keep_alive=keepalive <= 0,
            idle_connection_timeout=keepalive or None,
        )

    def begin(self) -> None:
        """Serve from now on."""
        sockets = [getattr(one, "sock", one) for one in self._worker.sockets]
        for one in sockets:
            one.setblocking(False)
        self._server.add_sockets(sockets)
        self._ioloop.add_handler(self._worker.PIPE[0], self._woken, IOLoop.READ)
        self._look()

    def done(self) -> None:
        """A request was answered."""
        worker = self._worker
        worker.nr += 1
        if worker.nr >= worker.max_requests and worker.alive:
            worker.log.info("Autorestarting worker after current request.")
            worker.alive = False
            self._ioloop.add_callback(self._leave)

    def _woken(self, descriptor: int, _event: object) -> None:
        os.read(descriptor, 4096)
        if not self._worker.alive:
            self._leave()

    def _look(self) -> None:
        worker = self._worker
        worker.notify()
        if os.getppid() != worker.ppid and worker.alive:
            worker.log.info("Parent changed, shutting down: %s", worker)
            worker.alive = False
        if not worker.alive:
            self._leave()
        self._ioloop.call_later(LOOK, self._look)

    def _leave(self) -> None:
        """Take no more connections, and stop the loop when the last request was answered."""
        now = self._ioloop.time()
        if self._left_at is None:
            # A little less than the arbiter grants: the worker ends by itself and is not killed.
            self._left_at = now + self._worker.cfg.graceful_timeout * 0.95
            self._server.stop()
            self._server.conn_params.no_keep_alive = True
            self._ioloop.call_later(0.02, self._wait_for_requests)

    def _wait_for_requests(self) -> None:
        assert self._left_at is not None
        if self.running > 0 and self._ioloop.time() < self._left_at:
            self._ioloop.call_later(0.02, self._wait_for_requests)
        else:
            self._ioloop.stop()


class Delegate(HTTPServerConnectionDelegate):
    """A tornado application whose requests are counted."""

    def __init__(self, application: HTTPServerConnectionDelegate, service: TornadoService) -> None:
        self._application = application
        self._service = service

    def start_request(self, server_conn: Any, request_conn: Any) -> HTTPMessageDelegate:
        """Wait for a request: tornado calls this before anything has come."""
        count = Count(self._service)
        connection = Connection(request_conn, count)
        return Message(self._application.start_request(server_conn, connection), count)

    def on_close(self, server_conn: Any) -> None:
        """A connection has ended."""
        self._application.on_close(server_conn)


class Count:
    """Whether one request is running."""

    def __init__(self, service: TornadoService) -> None:
        self._service = service
        self._is_running = False

    def begin(self) -> None:
        """Its head is there."""
        self._is_running = True
        self._service.running += 1

    def end(self) -> None:
        """It is answered, or nobody waits for that any more."""
        if self._is_running:
            self._is_running = False
            self._service.running -= 1
            self._service.done()


class Message(HTTPMessageDelegate):
    """A request on its way to the application; it ends with its connection if not before."""

    def __init__(self, message: HTTPMessageDelegate, count: Count) -> None:
        self._message = message
        self._count = count

    def headers_received(self, start_line: Any, headers: Any) -> Any:
        """Pass the head on."""
        self._count.begin()
        return self._message.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        """Pass a part of the body on."""
        return self._message.data_received(chunk)

    def finish(self) -> None:
        """The request is whole."""
        self._message.finish()

    def on_connection_close(self) -> None:
        """The client is gone."""
        self._count.end()
        self._message.on_connection_close()


class Connection:
    """What the application answers to; all of it but the end is the connection's own."""

    def __init__(self, connection: Any, count: Count) -> None:
        self._connection = connection
        self._count = count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def finish(self) -> None:
        """The response is whole."""
        self._connection.finish()
        self._count.end()

    def detach(self) -> Any:
        """The connection is not HTTP's any more (WebSocket)."""
        self._count.end()
        return self._connection.detach()
