"""The record about a request that takes too long, with the stack of what is stuck."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Any

from oxicorn import stacks
from oxicorn.logs import json_lines

#: What this process has logged: entry on the scoreboard and time of the begin.
_reported: set[tuple[int, int]] = set()

#: Held while a record is written. The main thread leaves after its report, and must not cut off the
#: record of another thread; its signal handler may interrupt a report of its own.
_reporting = threading.RLock()

#: Seconds to wait for another thread's record: after one second the arbiter kills the worker.
PATIENCE = 0.8

#: Tasks by the entry of their request.
Tasks = Mapping[int, Any]


def report(worker: Any, frame: FrameType | None = None, tasks: Tasks | None = None) -> None:
    """Log each overdue request once. ``frame`` is where the main thread was when SIGABRT came."""
    if worker.slot is None:
        return
    is_alone = _reporting.acquire(timeout=PATIENCE)
    try:
        _report(worker, frame, tasks or {})
    finally:
        if is_alone:
            _reporting.release()


def _report(worker: Any, frame: FrameType | None, tasks: Tasks) -> None:
    if frame is not None:
        # The watchdog may be about to do it; what the application makes of SystemExit is no answer.
        worker.slot.answer_overdue(max(worker.cfg.timeout - 0.5, 0.5))
    main = threading.main_thread().ident
    threads = sys._current_frames()
    if frame is not None and main is not None:
        threads[main] = frame
    for request in worker.slot.in_flight():
        is_main = frame is not None and request["thread"] == main
        is_old = is_main and request["age_s"] >= worker.cfg.timeout - 0.5
        entry = request.pop("entry")
        key = entry, request.pop("started_ms")
        if key in _reported or not (is_old or request["phase"] == "timed out"):
            continue
        _reported.add(key)
        task = tasks.get(entry)
        if task is not None:
            frames = stacks.of_task(task)
        else:
            frames = stacks.of_frame(threads.get(request["thread"]))
            # A loop or hub that is blocked keeps all of its requests waiting.
            frames = frames or stacks.of_greenlet(request["target"]) or stacks.of_frame(frame)
        _log(worker, request, frames, "thread" if task is None else "task")


def _log(worker: Any, request: dict[str, Any], frames: list[FrameType], what: str) -> None:
    # Few workers ever come here.
    import traceback

    lines = traceback.StackSummary.extract((one, one.f_lineno) for one in frames).format()
    stack = "".join(lines) or "  unknown\n"
    identity = stacks.request_id(frames)
    request.update({"worker": os.getpid(), "timeout_s": worker.cfg.timeout, "request_id": identity})
    answer = "answered with 504" if request["phase"] == "timed out" else "its response had begun"
    fields = {"event.name": "request.timeout", "request": request, "code.stacktrace": stack}
    worker.log.error(
        "Request timed out after %.1f s: %s %s from %s, request id %s, in worker (pid:%s); %s. "
        "Its %s is at (most recent call last):\n%s",
        request["age_s"],
        request["method"],
        request["target"],
        request["client"] or "a unix socket",
        identity or "-",
        os.getpid(),
        answer,
        what,
        stack.rstrip("\n"),
        extra={json_lines.FIELDS: fields},
    )
