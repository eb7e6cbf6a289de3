"""An application for tests of the logs."""

import logging
import os
import sys
import time


def application(environ, start_response):
    """Answer, fail, log or wait, as the path says."""
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise RuntimeError("as asked")
    if path == "/slow":
        time.sleep(0.2)
    if path == "/log":
        logging.getLogger("gunicorn.error").warning("the application's own line")
    if path == "/filter":
        logging.getLogger("gunicorn.access").addFilter(
            lambda record: "secret" not in str(record.args)
        )
    if path == "/print":
        print("printed by the application", flush=True)
        print("complained by the application", file=sys.stderr, flush=True)
    environ["app.word"] = "mine"
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid()))])
    return [b"hello"]
