"""The server's logger: Python's ``logging`` under the names that operators configure."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

from oxicorn import terminal
from oxicorn.logs import configuration, json_lines, syslog
from oxicorn.logs.atoms import SafeAtoms, atoms_of, user
from oxicorn.logs.configuration import CONFIG_DEFAULTS
from oxicorn.logs.error_lines import ErrorFormatter

__all__ = ["CONFIG_DEFAULTS", "Logger", "SafeAtoms"]

MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


class Logger:
    """What ``server.log`` and ``worker.log`` are. A ``logger_class`` is made with the configuration."""

    LOG_LEVELS: ClassVar[dict[str, int]] = {
        "critical": logging.CRITICAL,
        "error": logging.ERROR,
        "warning": logging.WARNING,
        "info": logging.INFO,
        "debug": logging.DEBUG,
    }
    loglevel = logging.INFO

    error_fmt = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
    datefmt = "[%Y-%m-%d %H:%M:%S %z]"
    access_fmt = "%(message)s"
    syslog_fmt = "[%(process)d] %(message)s"
    atoms_wrapper_class: type = SafeAtoms
    #: In a worker: what writes the usual access log in our place.
    core_writer: Any = None

    def __init__(self, cfg: Any) -> None:
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")
        self.error_log.propagate = self.access_log.propagate = False
        self.logfile: Any = None
        self.lock = threading.Lock()
        self.cfg = cfg
        self._foreign: set[logging.Handler] = set()
        self._retired: list[logging.Handler] = []
        self.setup(cfg)

    def setup(self, cfg: Any) -> None:
        """Log as this configuration says. A failure leaves everything as it was."""
        before = configuration.State()
        former, foreign = self.cfg, self._foreign
        self.cfg = cfg
        try:
            self._set_handlers(cfg)
            if configuration.is_given(cfg):
                known = configuration.State().handlers()
                configuration.apply(cfg)
                self._foreign = configuration.State().handlers() - known
            captured = self._capture(cfg)
        except BaseException:
            before.restore()
            self.cfg, self._foreign, self._retired = former, foreign, []
            raise
        self._take_capture(captured)
        retired, self._retired = self._retired, []
        for handler in retired:
            handler.close()

    def _set_handlers(self, cfg: Any) -> None:
        self._drop_foreign()
        self.loglevel = self.LOG_LEVELS.get((cfg.loglevel or "info").lower(), logging.INFO)
        self.error_log.setLevel(self.loglevel)
        self.access_log.setLevel(logging.INFO)
        self.error_log.propagate = self.access_log.propagate = False
        self._set_handler(self.error_log, cfg.errorlog, self._error_formatter(cfg))
        plain = logging.Formatter(self.access_fmt)
        self._set_handler(self.access_log, cfg.accesslog, plain, stream=sys.stdout)
        self._set_syslog_handler(self.error_log, cfg, self.syslog_fmt, "error")
        self._set_syslog_handler(self.access_log, cfg, self.syslog_fmt, "access")

    def _error_formatter(self, cfg: Any) -> logging.Formatter:
        if (cfg.log_format or "text") == json_lines.WORD:
            return json_lines.JsonFormatter()
        if cfg.errorlog == "-":
            return terminal.formatter(sys.stderr, self.error_fmt, self.datefmt)
        return ErrorFormatter(self.error_fmt, self.datefmt)

    def _set_handler(
        self,
        log: logging.Logger,
        output: str | None,
        fmt: logging.Formatter | None,
        stream: Any = None,
    ) -> None:
        """Exchange the log's own handler; those that others added stay."""
        self._remove_handlers(log, "_gunicorn")
        if output is None:
            return
        handler: logging.Handler
        if output == "-":
            handler = logging.StreamHandler(stream)
        else:
            handler = self._file_handler(output)
        self._add_handler(log, handler, fmt, "_gunicorn")

    def _file_handler(self, output: str) -> logging.Handler:
        path = os.path.abspath(output)
        try:
            handler = logging.FileHandler(path)
            # Workers, which may be another user, reopen it.
            status = os.stat(path)
            if (status.st_uid, status.st_gid) != (self.cfg.uid, self.cfg.gid):
                os.chown(path, self.cfg.uid, self.cfg.gid)
        except OSError as error:
            raise RuntimeError(f"'{output}' isn't writable [{error!r}]") from error
        return handler

    def _set_syslog_handler(self, log: logging.Logger, cfg: Any, fmt: str, name: str) -> None:
        self._remove_handlers(log, "_syslog")
        if not cfg.syslog or (name == "access" and cfg.disable_redirect_access_to_syslog):
            return
        self._add_handler(log, syslog.handler(cfg, name, fmt), None, "_syslog")

    def _add_handler(
        self,
        log: logging.Logger,
        handler: logging.Handler,
        fmt: logging.Formatter | None,
        mark: str,
    ) -> None:
        if fmt is not None:
            handler.setFormatter(fmt)
        setattr(handler, mark, True)
        log.addHandler(handler)

    def _remove_handlers(self, log: logging.Logger, mark: str) -> None:
        for handler in [one for one in log.handlers if getattr(one, mark, False)]:
            log.removeHandler(handler)
            self._retired.append(handler)

    def _drop_foreign(self) -> None:
        """Take away what a former logging configuration added: this one may say something else."""
        for log in logging.getLogger(), self.error_log, self.access_log:
            for handler in [one for one in log.handlers if one in self._foreign]:
                log.removeHandler(handler)
                self._retired.append(handler)
        self._foreign = set()

    def _get_gunicorn_handler(self, log: logging.Logger) -> logging.Handler | None:
        return next((one for one in log.handlers if getattr(one, "_gunicorn", False)), None)

    def _capture(self, cfg: Any) -> Any:
        """Open the error log file for what is printed, if it shall go there."""
        if not cfg.capture_output or cfg.errorlog in (None, "-"):
            return None
        return open(cfg.errorlog, "a+")

    def _take_capture(self, logfile: Any) -> None:
        """Send standard output and standard error there."""
        if logfile is None:
            return
        for stream in sys.stdout, sys.stderr:
            stream.flush()
        for descriptor in 1, 2:
            os.dup2(logfile.fileno(), descriptor)
        if self.logfile is not None:
            self.logfile.close()
        self.logfile = logfile

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
            lvl = self.LOG_LEVELS.get(lvl.lower(), logging.INFO)
        self.error_log.log(lvl, msg, *args, **kwargs)

    @property
    def access_log_enabled(self) -> bool:
        """Whether requests are logged."""
        cfg = self.cfg
        if cfg.accesslog or configuration.is_given(cfg):
            return True
        return bool(cfg.syslog) and not cfg.disable_redirect_access_to_syslog

    def atoms(
        self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta
    ) -> dict[str, Any]:
        """What ``access_log_format`` may name. Not yet escaped; ``atoms_wrapper_class`` does that."""
        return atoms_of(resp, req, environ, request_time, self.now(), str(os.getpid()))

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Log a request, if requests are logged."""
        if not self.access_log_enabled:
            return
        form = self.cfg.access_log_format
        try:
            if form == json_lines.WORD:
                line = json_lines.access_line(
                    resp, environ, request_time, str(os.getpid()), time.time()
                )
                self.access_log.info("%s", line)
                return
            atoms = self.atoms_wrapper_class(self.atoms(resp, req, environ, request_time))
            self.access_log.info(form, atoms)
        except Exception:
            self.error("%s", traceback.format_exc())

    def now(self) -> str:
        """The time of an access line, whatever the locale."""
        at = time.localtime()
        return time.strftime(f"[%d/{MONTHS[at.tm_mon - 1]}/%Y:%H:%M:%S %z]", at)

    def _get_user(self, environ: dict[str, Any]) -> str | None:
        return user(environ)

    def reopen_files(self) -> None:
        """Open the log files anew: the old ones were moved away."""
        self._take_capture(self._capture(self.cfg))
        if self.core_writer is not None:
            self.core_writer.flush()
        for handler in self._file_handlers():
            handler.acquire()
            try:
                if handler.stream is not None:
                    handler.close()
                    handler.stream = handler._open()
            finally:
                handler.release()
        if self.core_writer is not None:
            self.core_writer.refresh()

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
