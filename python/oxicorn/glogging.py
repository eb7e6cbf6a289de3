"""The server's logger: Python's ``logging`` under the names that operators configure."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

LEVELS = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}
FORMAT = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
DATE_FORMAT = "[%Y-%m-%d %H:%M:%S %z]"


class Logger:
    """What ``server.log`` and ``worker.log`` are."""

    def __init__(self, cfg: Any) -> None:
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")
        self.error_log.propagate = self.access_log.propagate = False
        self.logfile: Any = None
        self.lock = threading.Lock()
        self.cfg = cfg
        self.setup(cfg)

    def setup(self, cfg: Any) -> None:
        """Log as this configuration says. A failure leaves everything as it was."""
        handler = self._error_handler(cfg)
        captured = self._capture(cfg)
        self.cfg = cfg
        self.error_log.setLevel(LEVELS.get(str(cfg.loglevel).lower(), logging.INFO))
        self._replace_handler(self.error_log, handler)
        if captured is not None:
            if self.logfile is not None:
                self.logfile.close()
            self.logfile = captured

    def _error_handler(self, cfg: Any) -> logging.Handler | None:
        if cfg.errorlog is None:
            return None
        handler: logging.Handler
        if cfg.errorlog == "-":
            handler = logging.StreamHandler(sys.stderr)
        else:
            path = os.path.abspath(cfg.errorlog)
            handler = logging.FileHandler(path)
            # Workers, which may be another user, reopen it.
            status = os.stat(path)
            if (status.st_uid, status.st_gid) != (cfg.uid, cfg.gid):
                os.chown(path, cfg.uid, cfg.gid)
        handler.setFormatter(logging.Formatter(FORMAT, DATE_FORMAT))
        return handler

    def _replace_handler(self, logger: logging.Logger, handler: logging.Handler | None) -> None:
        """Exchange our own handler; those that others added stay."""
        for old in [old for old in logger.handlers if getattr(old, "_oxicorn", False)]:
            logger.removeHandler(old)
            old.close()
        if handler is not None:
            handler._oxicorn = True  # type: ignore[attr-defined]
            logger.addHandler(handler)

    def _capture(self, cfg: Any) -> Any:
        """Send standard output and standard error to the log file, if there is one."""
        if not cfg.capture_output or cfg.errorlog in (None, "-"):
            return None
        for stream in sys.stdout, sys.stderr:
            stream.flush()
        logfile = open(cfg.errorlog, "a+")
        for descriptor in 1, 2:
            os.dup2(logfile.fileno(), descriptor)
        return logfile

    def critical(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log at this level."""
        self.error_log.critical(msg, *args, **kwargs)

    def error(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log at this level."""
        self.error_log.error(msg, *args, **kwargs)

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log at this level."""
        self.error_log.warning(msg, *args, **kwargs)

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log at this level."""
        self.error_log.info(msg, *args, **kwargs)

    def debug(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log at this level."""
        self.error_log.debug(msg, *args, **kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log an error with the traceback of the exception that is being handled."""
        self.error_log.exception(msg, *args, **kwargs)

    def log(self, lvl: int | str, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log at a level given by number or by name."""
        if isinstance(lvl, str):
            lvl = LEVELS.get(lvl.lower(), logging.INFO)
        self.error_log.log(lvl, msg, *args, **kwargs)

    @property
    def access_log_enabled(self) -> bool:
        """Whether requests are logged."""
        return False

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Log a request, if requests are logged."""

    def reopen_files(self) -> None:
        """Open the log files anew: the old ones were moved away."""
        captured = self._capture(self.cfg)
        if captured is not None:
            if self.logfile is not None:
                self.logfile.close()
            self.logfile = captured
        for handler in self._file_handlers():
            handler.acquire()
            try:
                if handler.stream is not None:
                    handler.close()
                    handler.stream = handler._open()
            finally:
                handler.release()

    def close_on_exec(self) -> None:
        """Keep the log files from programs that a worker starts."""
        for handler in self._file_handlers():
            if handler.stream is not None:
                os.set_inheritable(handler.stream.fileno(), False)

    def _file_handlers(self) -> Iterator[logging.FileHandler]:
        known = list(logging.Logger.manager.loggerDict.values())
        for logger in [logging.getLogger(), *known]:
            for handler in getattr(logger, "handlers", ()):
                if isinstance(handler, logging.FileHandler):
                    yield handler
