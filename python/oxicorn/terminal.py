"""How the log looks to people: coloured, and with a banner instead of the first lines.

Off a terminal nothing of this happens, and the log is what programs expect.
"""

from __future__ import annotations

import logging
import os
from typing import Any, TextIO

from oxicorn import __version__
from oxicorn.logs.error_lines import ErrorFormatter

COLOURS = {
    logging.DEBUG: "36",
    logging.INFO: "32",
    logging.WARNING: "33",
    logging.ERROR: "31",
    logging.CRITICAL: "1;31",
}
DIM = "2"
BOLD = "1"

TIMES = "\N{MULTIPLICATION SIGN}"
DOT = "\N{MIDDLE DOT}"

#: The first words after Ctrl-C, from whichever process is the first to speak.
AFTER_CTRL_C = ("Handling signal: int", "Worker exiting")


def formatter(stream: TextIO, fmt: str, datefmt: str) -> logging.Formatter:
    """What lays out lines for this stream: for people if they watch it, else to the letter."""
    if is_terminal(stream) or is_coloured(stream):
        return TerminalFormatter(fmt, datefmt, is_coloured(stream))
    return ErrorFormatter(fmt, datefmt)


def is_terminal(stream: Any) -> bool:
    """Whether people watch this stream."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        # No stream at all, or a closed one.
        return False


def is_coloured(stream: Any) -> bool:
    """Whether colours are wanted: ``NO_COLOR`` and ``FORCE_COLOR`` decide before the terminal does."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str | None, coloured: bool) -> str:
    """The text in a colour."""
    return f"\x1b[{colour}m{text}\x1b[0m" if coloured and colour is not None else text


class TerminalFormatter(ErrorFormatter):
    """The usual line with its level in colour."""

    def __init__(self, fmt: str, datefmt: str, coloured: bool) -> None:
        super().__init__(fmt, datefmt)
        self.coloured = coloured

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Lay out one line."""
        painted = logging.makeLogRecord(record.__dict__)
        painted.asctime = paint(getattr(record, "asctime", ""), DIM, self.coloured)
        painted.levelname = paint(record.levelname, COLOURS.get(record.levelno), self.coloured)
        line = super().formatMessage(painted)
        # The terminal has just shown "^C": write over it.
        return "\r" + line if record.message.startswith(AFTER_CTRL_C) else line


def is_only_place(log: Any) -> bool:
    """Whether the log goes to a terminal and nowhere else: then the banner says it better."""
    error_log = getattr(log, "error_log", None)
    if not isinstance(error_log, logging.Logger) or not error_log.isEnabledFor(logging.INFO):
        return False
    return not error_log.propagate and all(
        isinstance(handler.formatter, TerminalFormatter)
        and is_terminal(getattr(handler, "stream", None))
        for handler in error_log.handlers or [logging.NullHandler()]
    )


def show_banner(arbiter: Any) -> None:
    """Say what is served where, in place of the lines that say it to programs."""
    stream = arbiter.log.error_log.handlers[0].stream
    text = banner(arbiter, is_coloured(stream))
    encoding = getattr(stream, "encoding", None) or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = (
            text.replace(TIMES, "x").replace(DOT, "-").encode(encoding, "replace").decode(encoding)
        )
    stream.write(text)
    stream.flush()


def banner(arbiter: Any, coloured: bool) -> str:
    """Application, addresses, workers, pid, and how to stop."""
    cfg = arbiter.cfg
    application = getattr(arbiter.app, "app_uri", None) or type(arbiter.app).__name__
    facts = [
        cfg.worker_class_str,
        f"{counted(cfg.workers, 'worker')} {TIMES} {counted(max(cfg.threads, 1), 'thread')}",
        *(["reloads on changes"] if cfg.reload else []),
        f"pid {arbiter.pid}",
        "Ctrl-C to stop",
    ]
    title = f"oxicorn {__version__} serves {paint(application, BOLD, coloured)}"
    addresses = [paint(str(listener), BOLD, coloured) for listener in arbiter.LISTENERS]
    lines = [title, *addresses, paint(f" {DOT} ".join(facts), DIM, coloured)]
    return "\n  ".join(lines) + "\n"


def counted(number: int, noun: str) -> str:
    """A number of things."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
