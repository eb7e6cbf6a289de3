"""For tests of dispatch: requests that take as long as their path says, and say who answers."""

import os
import time
from pathlib import Path


def application(environ, start_response):
    """``/sleep/MILLISECONDS`` sleeps, ``/touch/PATH`` makes a file; every answer has the worker's pid.

    ``/touch-and-hold/PATH`` makes a file and waits until it is gone.
    """
    path = environ["PATH_INFO"]
    if path.startswith("/sleep/"):
        time.sleep(int(path.removeprefix("/sleep/")) / 1000)
    elif path.startswith("/touch-and-sleep/"):
        Path(path.removeprefix("/touch-and-sleep")).touch()
        time.sleep(1.5)
    elif path.startswith("/touch-and-hold/"):
        mark = Path(path.removeprefix("/touch-and-hold"))
        mark.touch()
        while mark.exists():
            time.sleep(0.01)
    elif path.startswith("/touch/"):
        Path(path.removeprefix("/touch")).touch()
    body = b"%d" % os.getpid()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]
