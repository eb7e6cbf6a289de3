"""The twin of ``logged`` for ASGI."""

import asyncio
import logging
import os
import sys

from messages import http_only, part, start


@http_only
async def application(scope, receive, send):
    """Answer, fail, log or wait, as the path says."""
    path = scope["path"]
    if path == "/raise":
        raise RuntimeError("as asked")
    if path == "/slow":
        await asyncio.sleep(0.2)
    if path == "/log":
        logging.getLogger("gunicorn.error").warning("the application's own line")
    if path == "/filter":
        logging.getLogger("gunicorn.access").addFilter(
            lambda record: "secret" not in str(record.args)
        )
    if path == "/print":
        print("printed by the application", flush=True)
        print("complained by the application", file=sys.stderr, flush=True)
    scope["app.word"] = "mine"
    await start(send, [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid()))])
    await part(send, b"hello", more=False)
