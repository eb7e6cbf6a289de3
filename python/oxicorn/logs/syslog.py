"""Handlers that send to syslog."""

from __future__ import annotations

import logging
import socket
from logging.handlers import SysLogHandler
from typing import Any

from oxicorn.logs.error_lines import ErrorFormatter

PORT = 514
FACILITIES = (
    "auth authpriv cron daemon ftp kern lpr mail news security syslog user uucp "
    "local0 local1 local2 local3 local4 local5 local6 local7"
).split()


class StreamHandler(SysLogHandler):
    """Sends over a stream, where a line feed ends a message (RFC 6587 §3.4.2)."""

    append_nul = False

    def format(self, record: logging.LogRecord) -> str:
        """Give the message; the line feeds in it as rsyslog writes them."""
        return super().format(record).replace("\n", "#012") + "\n"


def address(text: str) -> tuple[int | None, str | tuple[str, int]]:
    """Kind of socket and address of a ``syslog_addr``; no kind: whichever the socket has."""
    if text.startswith("unix://"):
        path, _, kind = text.removeprefix("unix://").partition("#")
        return {"dgram": socket.SOCK_DGRAM, "stream": socket.SOCK_STREAM}.get(kind), path
    scheme, separator, rest = text.partition("://")
    kinds = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}
    if not separator or scheme not in kinds:
        raise RuntimeError(
            f"syslog_addr cannot be {text!r}: expected udp://HOST[:PORT], tcp://HOST[:PORT] or unix://PATH"
        )
    return kinds[scheme], _host_and_port(text, rest)


def _host_and_port(whole: str, text: str) -> tuple[str, int]:
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif ":" in text:
        host, _, port = text.rpartition(":")
    if port and not (port.isdigit() and int(port) < 65536):
        raise RuntimeError(f"syslog_addr cannot be {whole!r}: {port!r} is no port number")
    return host.lower() or "localhost", int(port or PORT)


def handler(cfg: Any, name: str, fmt: str) -> logging.Handler:
    """The handler for the log called ``name``, which is ``error`` or ``access``."""
    facility = (cfg.syslog_facility or "user").lower()
    if facility not in FACILITIES:
        expected = f"expected one of {', '.join(FACILITIES)}"
        raise RuntimeError(f"syslog_facility cannot be {cfg.syslog_facility!r}: {expected}")
    kind, place = address(cfg.syslog_addr or "")
    made = StreamHandler if kind == socket.SOCK_STREAM else SysLogHandler
    try:
        handler = made(place, SysLogHandler.facility_names[facility], kind)  # type: ignore[arg-type]
    except OSError as error:
        raise RuntimeError(f"syslog at {cfg.syslog_addr} cannot be reached: {error}") from error
    prefix = cfg.syslog_prefix or cfg.proc_name.replace(":", ".")
    handler.setFormatter(ErrorFormatter(f"gunicorn.{prefix}.{name}: ".replace("%", "%%") + fmt))
    return handler
