"""What a scene is, and the figures that come out of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from scene.servers import WSGI
from scene.stage import Stage
from support import users

Figure = float | int | str | None
Figures = dict[str, Figure]
NOT_APPLICABLE: Figures = {}
"""Of a server that cannot do what the scene is about."""


@dataclass(frozen=True)
class Scene:
    """One table: a row a server, a column a figure."""

    name: str
    title: str
    play: Callable[[Stage], Figures]
    servers: Sequence[str] = WSGI


def lost(samples: Iterable[Any]) -> list[Any]:
    """Requests that got no whole answer, or one that says that the server failed."""
    return [sample for sample in samples if sample.status != 200]


def causes(samples: Iterable[Any]) -> str:
    """What clients saw instead of an answer, the most frequent first."""
    seen = Counter(sample.lost or str(sample.status) for sample in lost(samples))
    return ", ".join(f"{count} {what}" for what, count in seen.most_common()) or "-"


def longest(samples: Iterable[Any]) -> float | None:
    """The slowest answer, in milliseconds; a request that was lost counts for as long as it took."""
    return max((1000 * sample.latency for sample in samples), default=None)


def quantile(samples: Iterable[Any], share: float, status: int = 200) -> float | None:
    """Of the latencies of the answers with this status, in milliseconds."""
    ordered = users.latencies(samples, status=status)
    return users.quantile(ordered, share) if ordered else None


def mean(samples: Iterable[Any]) -> float | None:
    """Of the latencies of the good answers, in milliseconds."""
    ordered = users.latencies(samples)
    return users.mean(ordered) if ordered else None


def shown(figure: Figure) -> str:
    """A cell of a table."""
    if figure is None:
        return "-"
    if isinstance(figure, float):
        return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.2f}"
    return str(figure)
