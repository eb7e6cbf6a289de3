"""An application of tornado's own, and a WSGI application that uses tornado's loop."""

import asyncio
import os
import time

import tornado.web
import tornado.websocket
from tornado.ioloop import IOLoop, PeriodicCallback

ticks = 0


def tick():
    global ticks
    ticks += 1


class Main(tornado.web.RequestHandler):
    async def get(self, action="pid", argument="0"):
        if action == "sleep":
            print("begun", flush=True)
            await asyncio.sleep(float(argument))
        if action == "spin":
            time.sleep(float(argument))
        if action == "exit":
            raise SystemExit(7)
        self.write(str(os.getpid()))

    def post(self, *arguments):
        self.write(self.request.body)


class Echo(tornado.websocket.WebSocketHandler):
    def on_message(self, message):
        self.write_message(message, binary=isinstance(message, bytes))


application = tornado.web.Application([(r"/echo", Echo), (r"/(\w+)/?(.*)", Main)])


def wsgi(environ, start_response):
    """Answer with the number of ticks of the loop so far; the first request starts the ticking."""
    if environ["PATH_INFO"] == "/start":
        PeriodicCallback(tick, 10).start()
    if environ["PATH_INFO"] == "/later":
        IOLoop.current().add_callback(tick)
    body = str(ticks).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
