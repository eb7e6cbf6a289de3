"""What oxicorn promises about the scenes, held against what was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from targets import Target

from scene.servers import MAX_QUEUE, NO_HANDOFF, OXICORN

GTHREAD, ASGI = "oxicorn-gthread", "oxicorn-asgi"
Outcomes = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class Limit:
    """A figure of a scene, in some of our servers, and what it may be at most."""

    scenes: str
    """The beginning of their names."""
    figure: str
    at_most: float
    servers: tuple[str, ...] = (OXICORN, GTHREAD, ASGI)
    of: str = ""
    """A server whose same figure it is a share of."""
    measured: Callable[[Any], float] = float
    """From the figure to what the limit bounds."""


def _no(answer: Any) -> float:
    return float(answer != "yes")


def _inverse(share: Any) -> float:
    return 1 / share


LIMITS = (
    Limit("dispatch-mixed", "mean ms", 0.5, (OXICORN,), of=NO_HANDOFF),
    Limit("dispatch-mixed", "p99 ms", 0.6, (OXICORN,), of=NO_HANDOFF),
    Limit("dispatch-busy", "late %", 3, (OXICORN,)),
    Limit("reload", "lost", 0),
    Limit("reload-slow", "more ms", 200),
    Limit("reload-often", "more processes", 0),
    Limit("reload-often", "more descriptors", 0),
    Limit("reload-broken", "old code serves", 0, measured=_no),
    Limit("reload-broken", "mended code serves", 0, measured=_no),
    Limit("drain", "unanswered", 0),
    Limit("drain", "exit status", 0),
    Limit("upgrade", "lost", 0),
    Limit("upgrade", "old arbiter's status", 0),
    Limit("recycle", "lost", 0),
    Limit("recycle", "share", 1 / 0.8, measured=_inverse),
    Limit("hang", "not 504", 0),
    Limit("hang", "slowest s", 3),
    Limit("hang", "others again after s", 4),
    Limit("hang", "target in log", 0, measured=_no),
    Limit("hang", "line in log", 0, measured=_no),
    Limit("crash", "not 502", 0),
    Limit("crash", "begun later", 0),
    Limit("crash", "beyond import s", 1),
    Limit("crash", "log names it", 0, measured=_no),
    # Four places in the queue, of 50 ms each.
    Limit("overload", "max ms", 2 * 4 * 50, (MAX_QUEUE,)),
    Limit("overload", "of capacity", 1 / 0.9, (MAX_QUEUE,), measured=_inverse),
    Limit("overload", "503 p99 ms", 10, (MAX_QUEUE,)),
)


def targets(outcomes: Outcomes) -> list[Target]:
    """Every promise that these outcomes can be held against."""
    return [
        target
        for limit in LIMITS
        for scene, rows in outcomes.items()
        if scene.startswith(limit.scenes)
        for server in limit.servers
        if (target := _target(limit, scene, server, rows)) is not None
    ]


def _target(
    limit: Limit, scene: str, server: str, rows: dict[str, dict[str, Any]]
) -> Target | None:
    row = rows.get(server)
    if not row:
        return None
    text = f"{scene}, {server}: {limit.figure}"
    figure = row.get(limit.figure)
    if figure is None or (isinstance(figure, str) and limit.measured is float):
        return Target(text, float("inf"), limit.at_most)
    if not limit.of:
        return Target(text, limit.measured(figure), limit.at_most)
    theirs = rows.get(limit.of, {}).get(limit.figure)
    return Target(f"{text}, of {limit.of}", figure / theirs, limit.at_most) if theirs else None
