"""Start the installed command on a socket of its own and end it again.

``OXICORN_TEST_SERVER=gunicorn`` runs the same tests against Gunicorn (its gthread worker with one
thread, because its sync worker keeps no connection). Tests of what Gunicorn does not do carry the
mark ``beyond_gunicorn``.

``OXICORN_TEST_WORKER=gthread`` (or ``gevent`` …) runs them over that worker class, except where a
test names one itself. Tests of what only some classes do carry the mark ``over``. Over ``asgi``
(``OXICORN_TEST_LOOP`` names its loop) the applications are those of the folder ``apps/asgi``: the same
modules, written for ASGI.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from . import process
from .client import Connection
from .wait import until

NAME = os.environ.get("OXICORN_TEST_SERVER", "oxicorn")
IS_GUNICORN = NAME == "gunicorn"
#: The worker class that the tests run over.
WORKER = os.environ.get("OXICORN_TEST_WORKER", "sync")
IS_ASGI = WORKER == "asgi"
#: The loop of ``asgi`` where a test names none.
LOOP = os.environ.get("OXICORN_TEST_LOOP", "auto")
#: The classes that run WSGI applications, for the mark ``over``.
WSGI_CLASSES = ("sync", "gthread", "gevent", "eventlet", "tornado")
APPS = Path(__file__).parent.parent / "apps"


class Server:
    """A running server and its log."""

    def __init__(self, folder, app, *arguments, unix=False, environment=None, workers=1):
        self.log_file = folder / "log"
        self.unix_path = str(folder / "socket")
        flags = worker_flags(arguments)
        first, *others = map(str, folders(flags, arguments))
        command = [sys.executable, "-m", NAME, "--chdir", first, "--bind", "127.0.0.1:0"]
        if unix:
            command += ["--bind", f"unix:{self.unix_path}"]
        if IS_GUNICORN:
            command += ["--worker-class", "gthread", "--threads", "1", "--no-control-socket"]
        else:
            command += flags
        command += ["--workers", str(workers), *map(str, arguments), app]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=clean_environment()
                | {"PYTHONPATH": ":".join(others), "PYTHONDONTWRITEBYTECODE": "1"}
                | (environment or {}),
                start_new_session=True,
            )
        try:
            self.address = ("127.0.0.1", until(self._port, "a listening server"))
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()

    def _port(self):
        found = re.search(r"Listening at: .*?http://127\.0\.0\.1:(\d+)", self.log)
        if not found and self.process.poll() is not None:
            raise AssertionError(f"the server left with {self.process.returncode}:\n{self.log}")
        return int(found[1]) if found else None

    @property
    def log(self):
        """All that the server wrote to its standard streams so far."""
        return self.log_file.read_text(errors="backslashreplace")

    @property
    def workers(self):
        """The pids of the worker processes."""
        return process.children(self.process.pid)

    def connect(self, unix=False, **options):
        """Open a connection."""
        return Connection(self.unix_path if unix else self.address, **options)

    def get(self, target, headers=(), **options):
        """One GET request on a connection of its own."""
        with self.connect(**options) as connection:
            return connection.get(target, headers)

    def post(self, target, body, headers=(), **options):
        """One POST request on a connection of its own."""
        with self.connect(**options) as connection:
            return connection.post(target, body, headers)

    def wait_for_log(self, text):
        """Wait until the log contains this text, and return the log."""
        until(lambda: text in self.log, f"{text!r} in the log")
        return self.log

    def stop(self):
        """End the server and everything it started; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                for pid in [*self.workers, self.process.pid]:
                    os.kill(pid, signal.SIGKILL)
                self.process.wait()
                raise AssertionError("the server did not leave after SIGQUIT") from None
        return self.process.returncode


def worker_flags(arguments, config=""):
    """What to add to a command so that it runs over the class under test, unless it names one."""
    words = [word for argument in arguments for word in str(argument).split("=", 1)]
    loop = [] if "--asgi-loop" in words else ["--asgi-loop", LOOP]
    if "asgi" in words:
        return loop
    if {"-k", "--worker-class", "--threads"} & set(words) or NAMES_CLASS.search(config):
        return []
    return {
        "sync": [],
        "gthread": ["--worker-class", "gthread", "--threads", "4"],
        "asgi": ["--worker-class", "asgi", *loop],
    }.get(WORKER, ["--worker-class", WORKER])


NAMES_CLASS = re.compile(r"^(worker_class|threads) *=", re.MULTILINE)


def folders(flags, arguments=()):
    """Where the applications are for a server with these arguments, the first one first."""
    return [APPS / "asgi", APPS] if "asgi" in [*flags, *arguments] else [APPS]


def failure_of(target):
    """What the error log says of a request whose application raised."""
    return "Error in ASGI application" if IS_ASGI else f"Error handling request GET {target}"


def clean_environment():
    """The environment without what would configure the server."""
    unwanted = (
        *("GUNICORN_", "OXICORN_", "LISTEN_", "NOTIFY_", "SCRIPT_NAME", "WEB_CONCURRENCY"),
        *("FORCE_COLOR", "NO_COLOR"),
    )
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(unwanted) and name not in ("PORT", "FORWARDED_ALLOW_IPS")
    }
