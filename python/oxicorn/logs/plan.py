"""Who writes the access log: the Rust core where it gives the same lines, Python everywhere else."""

from __future__ import annotations

import logging
import time
from typing import Any

from oxicorn.glogging import Logger
from oxicorn.logs import configuration

#: What the core does in place of these two, unless somebody has replaced them.
_ACCESS = Logger.access
_ATOMS = Logger.atoms


def access_plan(log: Any) -> Any:
    """How ``log`` wants to hear of requests.

    None: not at all. A format and a stream: the core writes there. Otherwise the method to call for
    each request. Asked again and again, because applications configure logging at any time.
    """
    if type(log) is not Logger or {"access", "atoms", "now"} & vars(log).keys():
        return log.access
    if not log.access_log_enabled:
        return None
    stream = _plain_stream(log.access_log)
    if stream is None or Logger.access is not _ACCESS or Logger.atoms is not _ATOMS:
        return log.access
    if configuration.is_given(log.cfg) or log.cfg.access_log_format is None:
        return log.access
    return log.cfg.access_log_format, stream


def _plain_stream(logger: logging.Logger) -> Any:
    """The stream that gets every message as it is and nothing else, if the log has just one such."""
    if logger.filters or logger.propagate or logger.disabled or len(logger.handlers) != 1:
        return None
    handler: Any = logger.handlers[0]
    formatter = handler.formatter
    is_plain = (
        type(handler) in (logging.StreamHandler, logging.FileHandler)
        and getattr(handler, "_gunicorn", False)
        and not handler.filters
        and handler.level <= logging.INFO
        and logger.isEnabledFor(logging.INFO)
        and type(formatter) is logging.Formatter
        and formatter._fmt == "%(message)s"
        and handler.terminator == "\n"
    )
    if not is_plain:
        return None
    stream = handler.stream
    try:
        stream.fileno()
    except (AttributeError, OSError, ValueError):
        # Closed, or replaced by something that is no file.
        return None
    return stream


def utc_second() -> str:
    """The present second, as JSON lines begin."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
