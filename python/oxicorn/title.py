"""The title that ``ps`` shows."""

from __future__ import annotations

try:
    from setproctitle import setproctitle
except ImportError:
    setproctitle = None


def set_title(title: str) -> None:
    """Change the title of this process, if the package setproctitle is installed."""
    if setproctitle is not None:
        setproctitle(title)
