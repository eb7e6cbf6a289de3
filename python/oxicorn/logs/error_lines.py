"""Records of the error log as text."""

from __future__ import annotations

import logging

#: Attribute of a log record: method and target of the request that it is about.
REQUEST = "oxicorn_request"


class ErrorFormatter(logging.Formatter):
    """The usual line and traceback, and behind them the request, if the line does not name it.

    Gunicorn's line about an ASGI application ends where it does, and what watches logs may know it so.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Give the lines."""
        text = super().format(record)
        request = getattr(record, REQUEST, None)
        if request and record.exc_info and request not in record.message:
            return f"{text}\nRequest: {request}"
        return text
