"""How many connections wait to be accepted."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from typing import Any

# Place of ``tcpi_unacked`` in ``struct tcp_info``: of a listening socket the length of its queue.
_QUEUE_LENGTH = struct.Struct("=24xI")


def waiting(listeners: Iterable[Any]) -> int | None:
    """The sum over all TCP listeners; None if there is none."""
    lengths = []
    for listener in listeners:
        if listener.family in (socket.AF_INET, socket.AF_INET6):
            info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _QUEUE_LENGTH.size)
            lengths.append(_QUEUE_LENGTH.unpack(info)[0])
    return sum(lengths) if lengths else None


def report(log: Any, listeners: Iterable[Any]) -> None:
    """Send the metric, if there is something to measure and a logger that sends."""
    if not hasattr(log, "histogram"):
        return
    try:
        value = waiting(listeners)
    except OSError:
        # A listener that is being closed or replaced.
        return
    if value is not None:
        log.histogram("gunicorn.backlog", value)
