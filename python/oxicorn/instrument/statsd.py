"""StatsD metrics: the logger class that holds when ``statsd_host`` is set.

Metrics leave as datagrams, one each. Nothing waits for whoever collects them, and nobody is told
that they cannot be delivered.
"""

from __future__ import annotations

import logging
import socket
from datetime import timedelta
from typing import Any

from oxicorn.glogging import Logger

# Keys of ``extra`` with which a log call carries a metric, and the kinds of metrics.
METRIC_VAR = "metric"
VALUE_VAR = "value"
MTYPE_VAR = "mtype"
GAUGE_TYPE = "gauge"
COUNTER_TYPE = "counter"
HISTOGRAM_TYPE = "histogram"
TIMER_TYPE = "timer"

PORT = 8125


def address(text: str) -> str | tuple[str, int]:
    """Where ``statsd_host`` says that metrics go: the path of a unix socket, or a host and a port."""
    if text.startswith("unix://"):
        return text.removeprefix("unix://")
    host, separator, port = text.rpartition(":")
    if not separator or (host.startswith("[") and not host.endswith("]")):
        host, port = text, str(PORT)
    if not (port.isdigit() and int(port) < 65536):
        raise RuntimeError(f"statsd_host cannot be {text!r}: {port!r} is no port number")
    return host.strip("[]"), int(port)


class Statsd(Logger):
    """Logs as usual and counts what happens."""

    def __init__(self, cfg: Any) -> None:
        super().__init__(cfg)
        self.prefix = _prefix(cfg)
        self.dogstatsd_tags = cfg.dogstatsd_tags
        self.sock: socket.socket | None = None
        if cfg.statsd_host:
            self.sock = _connected(address(cfg.statsd_host))

    def critical(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log and count."""
        super().critical(msg, *args, **kwargs)
        self.increment("gunicorn.log.critical", 1)

    def error(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log and count."""
        super().error(msg, *args, **kwargs)
        self.increment("gunicorn.log.error", 1)

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log and count."""
        super().warning(msg, *args, **kwargs)
        self.increment("gunicorn.log.warning", 1)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log and count."""
        super().exception(msg, *args, **kwargs)
        self.increment("gunicorn.log.exception", 1)

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log, and send the metric that the call carries."""
        self.log(logging.INFO, msg, *args, **kwargs)

    def debug(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log, and send the metric that the call carries."""
        self.log(logging.DEBUG, msg, *args, **kwargs)

    def log(self, lvl: int | str, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log, and send the metric that the call carries in ``extra``. Without a message only that."""
        extra = kwargs.get("extra") or {}
        name, value, kind = (extra.get(key) for key in (METRIC_VAR, VALUE_VAR, MTYPE_VAR))
        if name and value is not None and kind:
            sender = {
                GAUGE_TYPE: self.gauge,
                COUNTER_TYPE: self.increment,
                HISTOGRAM_TYPE: self.histogram,
                TIMER_TYPE: self.timer,
            }.get(kind)
            if sender is not None:
                sender(name, value)
        if msg:
            super().log(lvl, msg, *args, **kwargs)

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Log if requests are logged, and count in any case."""
        super().access(resp, req, environ, request_time)
        self.timer("gunicorn.request.duration", request_time / timedelta(milliseconds=1))
        self.increment("gunicorn.requests", 1)
        status = resp.status
        code = status.split(None, 1)[0] if isinstance(status, str) else status
        self.increment(f"gunicorn.request.status.{code}", 1)

    def gauge(self, name: str, value: float) -> None:
        """Send the present value of something."""
        self._sock_send(f"{self.prefix}{name}:{value}|g")

    def increment(self, name: str, value: float, sampling_rate: float = 1.0) -> None:
        """Count something."""
        self._sock_send(f"{self.prefix}{name}:{value}|c|@{sampling_rate}")

    def decrement(self, name: str, value: float, sampling_rate: float = 1.0) -> None:
        """Count something back."""
        self._sock_send(f"{self.prefix}{name}:-{value}|c|@{sampling_rate}")

    def timer(self, name: str, value: float) -> None:
        """Send how many milliseconds something took."""
        self._sock_send(f"{self.prefix}{name}:{value}|ms")

    def histogram(self, name: str, value: float) -> None:
        """Send one of many values whose distribution matters."""
        self._sock_send(f"{self.prefix}{name}:{value}|h")

    def _sock_send(self, message: str) -> None:
        # Called by the base class before there is a socket.
        sock = getattr(self, "sock", None)
        if sock is None:
            return
        if self.dogstatsd_tags:
            message += f"|#{self.dogstatsd_tags}"
        try:
            sock.send(message.encode("utf-8", "replace"))
        except OSError:
            # Nobody collects at the moment, or not fast enough.
            pass


def _prefix(cfg: Any) -> str:
    prefix = cfg.statsd_prefix or ""
    return prefix.rstrip(".") + "." if len(prefix) > 1 else prefix


def _connected(place: str | tuple[str, int]) -> socket.socket | None:
    try:
        if isinstance(place, str):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            target: Any = place
        else:
            family, kind, _, _, target = socket.getaddrinfo(*place, type=socket.SOCK_DGRAM)[0]
            sock = socket.socket(family, kind)
        sock.setblocking(False)
        sock.connect(target)
    except OSError:
        # Gone before it could be used; metrics must not keep a server from starting.
        return None
    return sock
