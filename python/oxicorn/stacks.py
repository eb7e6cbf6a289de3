"""Where requests are: the frames of threads, greenlets and tasks, outermost first."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

#: A chain of awaits or tasks that is longer is cut; one that bites its own tail ends here.
DEPTH = 200


def of_frame(frame: FrameType | None) -> list[FrameType]:
    """Of what runs now, or of a greenlet that rests."""
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


def of_task(task: Any) -> list[FrameType]:
    """Of a task that waits, and of the tasks that it waits for.

    ``task.get_stack`` stops at the outermost coroutine.
    """
    return list(_chain(task))


def _chain(task: Any) -> Iterator[FrameType]:
    for _ in range(DEPTH):
        yield from _awaits(task.get_coro())
        waits_for = getattr(task, "_fut_waiter", None)
        # asyncio.gather waits for several: any of them that is not done is a reason.
        children = [one for one in getattr(waits_for, "_children", ()) if not one.done()]
        task = children[0] if children else waits_for
        if not hasattr(task, "get_coro"):
            return


def _awaits(awaited: Any) -> Iterator[FrameType]:
    for _ in range(DEPTH):
        frame = None
        for kind in ("cr", "gi", "ag"):
            frame = frame or getattr(awaited, f"{kind}_frame", None)
        if frame is None:
            return
        yield frame
        for name in ("cr_await", "gi_yieldfrom", "ag_await"):
            if hasattr(awaited, name):
                awaited = getattr(awaited, name)
                break


def of_greenlet(target: str) -> list[FrameType]:
    """Of the greenlet that was given the request with this target."""
    module = sys.modules.get("greenlet")
    if module is None:
        return []
    for one in gc.get_objects():
        if isinstance(one, module.greenlet):
            frames = of_frame(one.gr_frame)
            environ = environ_in(frames)
            if environ is not None and environ.get("RAW_URI") == target:
                return frames
    return []


def request_id(frames: list[FrameType]) -> str | None:
    """What the client called its request, if some caller was given its environ or scope."""
    environ = environ_in(frames)
    if environ is not None:
        found = environ.get("HTTP_X_REQUEST_ID")
    else:
        fields = _dict_in(frames, "asgi", "headers") or {}
        values = [value for name, value in fields.get("headers", ()) if name == b"x-request-id"]
        found = values[0].decode("latin-1") if values else None
    # From outside: it must not forge a log line.
    return ascii(found)[1:-1][:200] if found else None


def environ_in(frames: list[FrameType]) -> dict[str, Any] | None:
    """Look for the environ that some caller was given."""
    return _dict_in(frames, "wsgi.input")


def _dict_in(frames: list[FrameType], *keys: str) -> dict[str, Any] | None:
    for frame in reversed(frames):
        for value in list(frame.f_locals.values()):
            if type(value) is dict and all(key in value for key in keys):
                return value
    return None
