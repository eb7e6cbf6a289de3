"""Log lines as JSON objects, with the field names of OpenTelemetry where it has one."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from oxicorn.logs.atoms import user
from oxicorn.logs.error_lines import REQUEST

#: The value of ``access_log_format`` that stands for such lines.
WORD = "json"

#: Attribute of a log record with further fields of its line.
FIELDS = "oxicorn_fields"

# The fields of a line about a request that come from the environ.
_FROM_ENVIRON = (
    ("client.address", "REMOTE_ADDR"),
    ("http.request.method", "REQUEST_METHOD"),
    ("url.path", "PATH_INFO"),
    ("url.query", "QUERY_STRING"),
    ("network.protocol.version", "SERVER_PROTOCOL"),
    ("user_agent.original", "HTTP_USER_AGENT"),
    ("http.request.header.referer", "HTTP_REFERER"),
    ("request_id", "HTTP_X_REQUEST_ID"),
    ("traceparent", "HTTP_TRACEPARENT"),
)


def timestamp(seconds: float) -> str:
    """RFC 3339, in UTC, to the millisecond."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03}Z"


def dumped(record: Mapping[str, Any]) -> str:
    """One line of ASCII."""
    return json.dumps(record, separators=(",", ":"), default=str)


class JsonFormatter(logging.Formatter):
    """A record of the error log as one JSON object, its traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        entry: dict[str, Any] = {
            "timestamp": timestamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process.pid": record.process,
        }
        entry.update(_of_request(getattr(record, REQUEST, None) or ""))
        entry.update(getattr(record, FIELDS, None) or {})
        if record.exc_info and record.exc_info[0] is not None:
            kind, value, _ = record.exc_info
            entry["exception.type"] = f"{kind.__module__}.{kind.__qualname__}"
            entry["exception.message"] = str(value)
            entry["exception.stacktrace"] = self.formatException(record.exc_info)
        if record.stack_info:
            entry["code.stacktrace"] = self.formatStack(record.stack_info)
        return dumped(entry)


def _of_request(request: str) -> dict[str, str]:
    """What the access log has of it too."""
    if not request:
        return {}
    # Few lines are about one.
    from urllib.parse import unquote

    method, _, target = request.partition(" ")
    path, _, query = target.partition("?")
    entry = {"http.request.method": method, "url.path": unquote(path)}
    return {**entry, "url.query": query} if query else entry


def access_line(
    resp: Any, environ: Mapping[str, Any], request_time: timedelta, pid: str, now: float
) -> str:
    """The line about a request."""
    entry: dict[str, Any] = {"timestamp": timestamp(now)}
    for name, key in _FROM_ENVIRON:
        if (value := environ.get(key)) not in (None, ""):
            entry[name] = _text(value)
    version = str(entry.get("network.protocol.version", ""))
    if version:
        entry["network.protocol.version"] = version.removeprefix("HTTP/")
    if credentials := user(environ):
        entry["user.name"] = _text(credentials)
    entry["http.response.status_code"] = _status(resp.status)
    if (sent := getattr(resp, "sent", None)) is not None:
        entry["http.response.body.size"] = sent
    total = request_time / timedelta(milliseconds=1)
    entry["application_ms"] = entry["total_ms"] = round(total, 3)
    entry["process.pid"] = int(pid) if pid.isdigit() else pid
    if (reason := getattr(resp, "abort_reason", None)) is not None:
        entry["error.type"] = reason
    return dumped(entry)


def _text(value: Any) -> str:
    """The text that an environ's bytes-in-disguise stand for."""
    text = str(value)
    try:
        return text.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")


def _status(status: Any) -> Any:
    word = status.split(None, 1)[0] if isinstance(status, str) else status
    return int(word) if str(word).isdigit() else word
