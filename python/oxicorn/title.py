"""The title that ``ps`` shows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

try:
    from setproctitle import getproctitle, setproctitle
except ImportError:
    setproctitle = None


def set_title(title: str) -> None:
    """Change the title of this process, if the package setproctitle is installed."""
    if setproctitle is not None:
        setproctitle(title)


@contextlib.contextmanager
def said_otherwise(role: str) -> Iterator[None]:
    """Have a worker's title say another role: what is forked in here keeps that title."""
    if setproctitle is None:
        yield
        return
    title = getproctitle()
    setproctitle(title.replace("oxicorn: worker", f"oxicorn: {role}", 1))
    try:
        yield
    finally:
        setproctitle(title)
