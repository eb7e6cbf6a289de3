"""The setting ``spew``: every line of Python is printed as it is executed."""

from __future__ import annotations

import linecache
import sys
from types import FrameType
from typing import Any


def install() -> None:
    """Print what this thread executes from now on, and what workers forked from it execute."""
    sys.settrace(trace)


def trace(frame: FrameType, event: str, argument: Any) -> Any:
    """Print a line that is about to be executed."""
    if event == "line":
        module = frame.f_globals.get("__name__", "[unknown]")
        source = linecache.getline(frame.f_code.co_filename, frame.f_lineno, frame.f_globals)
        print(f"{module}:{frame.f_lineno}: {source.rstrip()}")
    return trace
