"""For tests of dispatch: requests that take as long as their path says, and say who answers."""

import os
import time


def application(environ, start_response):
    """``/sleep/MILLISECONDS`` sleeps; every answer has the worker's pid."""
    path = environ["PATH_INFO"]
    if path.startswith("/sleep/"):
        time.sleep(int(path.removeprefix("/sleep/")) / 1000)
    body = b"%d" % os.getpid()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]
