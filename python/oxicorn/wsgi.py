"""``wsgi.errors``: where an application's complaints go."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Any, TextIO


class Errors:
    """A text stream that writes to every stream of the error log, at once."""

    encoding = "utf-8"

    def __init__(self, error_log: logging.Logger, to_stderr: bool) -> None:
        """Write where ``error_log`` does; to standard error itself if that is its place."""
        self._error_log = error_log
        self._to_stderr = to_stderr

    def _streams(self) -> list[TextIO]:
        # Asked for each time: handlers are reopened and replaced while the worker runs.
        handlers = self._error_log.handlers
        streams = [handler.stream for handler in handlers if hasattr(handler, "stream")]
        if self._to_stderr and sys.stderr not in streams:
            streams.insert(0, sys.stderr)
        return streams

    def write(self, data: str) -> int:
        """Write and flush."""
        for stream in self._streams():
            stream.write(data)
            stream.flush()
        return len(data)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write and flush all of ``lines``."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Flush what others wrote to the same streams."""
        for stream in self._streams():
            stream.flush()

    def isatty(self) -> bool:
        """Tell that nobody watches it as a terminal."""
        return False


def errors_for(log: Any) -> Errors:
    """Make the ``wsgi.errors`` that belongs to a server's logger."""
    return Errors(log.error_log, log.cfg.errorlog == "-")
