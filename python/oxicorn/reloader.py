"""The setting ``reload``: a worker that leaves when its code changes.

A thread in each worker watches the files of the modules that were imported. Whether a file changed is
always told by its time of modification; the engines only differ in when they look.
"""

from __future__ import annotations

import glob
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from time import monotonic, sleep
from types import TracebackType
from typing import Any

from oxicorn import _oxicorn

#: Seconds between two looks at the list of files.
INTERVAL = 1.0
#: Seconds of quiet that end a burst of changes, such as a checkout.
SETTLED = 0.05
#: Seconds that a burst may last before it is looked at all the same.
BURST = 1.0
#: Seconds between two looks at the files themselves even if the kernel reports nothing.
PATROL = 5.0


class Reloader(threading.Thread):
    """Watches files, and calls ``changed`` with the path of the first that changes.

    If that returns true it goes on watching.
    """

    def __init__(
        self,
        changed: Callable[[str], bool | None],
        patterns: Iterable[str] = (),
        engine: str = "auto",
    ) -> None:
        super().__init__(name="oxicorn-reloader", daemon=True)
        self._changed = changed
        self._patterns = list(patterns)
        self._engine = new_engine(engine)
        self._times: dict[str, int] = {}

    def add_extra_file(self, path: str) -> None:
        """Watch one more file, or the files that match a pattern."""
        self._patterns.append(path)

    def start(self) -> None:
        """Record the files as they are, and watch them from now on."""
        self.look(again=False)
        super().start()

    def run(self) -> None:
        """Watch until the first change, or for ever."""
        again = True
        while True:
            path = self.look(again)
            if path is None:
                again = self._engine.wait(self._times)
            elif not self._changed(path):
                return

    def look(self, again: bool) -> str | None:
        """Record files that were not seen before and, if asked, look at the others again.

        Gives the first that has changed.
        """
        for path in self.files():
            if again or path not in self._times:
                time = modified(path)
                if time is not None and self._times.setdefault(path, time) != time:
                    self._times[path] = time
                    return path
        return None

    def files(self) -> Iterator[str]:
        """The sources of all modules that are imported by now, and the extra files."""
        for module in list(sys.modules.values()):
            path = getattr(module, "__file__", None)
            if isinstance(path, str):
                yield path[:-1] if path.endswith(".pyc") else path
        for pattern in list(self._patterns):
            # What has no wildcard is a path, whatever its name looks like.
            yield from glob.glob(pattern, recursive=True) if glob.has_magic(pattern) else [pattern]


class Polling:
    """Looks at every file at fixed intervals."""

    def wait(self, paths: Iterable[str]) -> bool:
        """Pause; whether files may have changed, which is always so."""
        sleep(INTERVAL)
        return True


class Inotify:
    """Looks when the kernel says that something changed in a directory of the files."""

    def __init__(self) -> None:
        self._watch = _oxicorn.Watch()
        self._placed: set[str] = set()
        self._next_patrol = monotonic() + PATROL

    def wait(self, paths: Iterable[str]) -> bool:
        """Pause; whether files may have changed."""
        if self._place(paths):
            # Before it was watched, nobody would have told us.
            return True
        if not self._is_told(INTERVAL):
            return self._is_time_for_patrol()
        end = monotonic() + BURST
        while self._is_told(SETTLED) and monotonic() < end:
            self._watch.take()
        # Directories and links may have been replaced.
        self._placed.clear()
        return True

    def _is_told(self, seconds: float) -> bool:
        """Wait for the kernel. Not by poll, which eventlet takes away."""
        return bool(select.select([self._watch.fileno()], [], [], seconds)[0])

    def _place(self, paths: Iterable[str]) -> bool:
        """Watch the directories of these files; true if any is new."""
        new = [path for path in paths if path not in self._placed]
        directories = {os.path.dirname(os.path.abspath(path)) for path in new}
        directories |= {os.path.dirname(os.path.realpath(path)) for path in new}
        self._placed.update(new)
        added = False
        for directory in directories:
            try:
                added |= self._watch.add(directory)
            except OSError:
                # It is gone, or there are too many: left to the patrol.
                continue
        return added

    def _is_time_for_patrol(self) -> bool:
        """Network file systems report nothing, so somebody has to go and look now and then."""
        now = monotonic()
        if now < self._next_patrol:
            return False
        self._next_patrol = now + PATROL
        return True


def new_engine(name: str) -> Polling | Inotify:
    """The engine of this name; ``auto`` is inotify if the kernel grants it."""
    if name == "poll":
        return Polling()
    try:
        return Inotify()
    except OSError:
        if name == "inotify":
            raise
        return Polling()


def modified(path: str) -> int | None:
    """Time of the last modification; None while there is no such file, as some editors save."""
    try:
        return os.stat(path).st_mtime_ns
    except (OSError, ValueError):
        return None


def for_worker(worker: Any) -> Reloader:
    """A reloader that has this worker leave. It is to be started when the application is loaded."""
    cfg, log = worker.cfg, worker.log
    log.warning("Reloader is on. Use in development only!")

    def reload_all(path: str) -> bool:
        """The code is not this worker's alone; all get it anew, or none if it is broken."""
        log.info("Reloading: %s modified", path)
        os.kill(worker.ppid, signal.SIGHUP)
        return True

    def changed(path: str) -> None:
        log.info("Worker reloading: %s modified", path)
        try:
            cfg.worker_int(worker)
        except Exception:
            log.exception("Exception in worker_int hook")
        # Last: as soon as the worker knows, it may be gone, and this thread with it.
        worker.alive = False
        os.write(worker.PIPE[1], b"1")

    report = reload_all if cfg.preload_app else changed
    return Reloader(report, cfg.reload_extra_files, cfg.reload_engine)


def stand_in(worker: Any, error: SyntaxError) -> Callable[..., Any]:
    """What is served until a syntax error is mended: its traceback."""
    worker.log.error(
        "The application has a syntax error. Its traceback is the answer to every request "
        "until it is mended.",
        exc_info=error,
    )
    if error.filename is not None:
        worker.reloader.add_extra_file(error.filename)
    # A module whose import failed is forgotten, though the mistake may have to be mended there.
    for path in files_of(error.__traceback__):
        worker.reloader.add_extra_file(path)
    page = "".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace")
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(page)))]

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("500 Internal Server Error", list(headers))
        return [page]

    async def asgi_application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise error
        lines = [(name.lower().encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": 500, "headers": lines})
        await send({"type": "http.response.body", "body": page})

    return asgi_application if worker.INTERFACE == "asgi" else application


def files_of(trace: TracebackType | None) -> Iterator[str]:
    """The files that a traceback passes through, as far as they are files."""
    for frame, _ in traceback.walk_tb(trace):
        if os.path.exists(frame.f_code.co_filename):
            yield frame.f_code.co_filename
