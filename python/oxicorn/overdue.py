"""The record about a request that takes too long, with the stack of the thread that is stuck."""

from __future__ import annotations

import gc
import os
import sys
import threading
from types import FrameType
from typing import Any

from oxicorn.logs import json_lines

#: What this process has logged: entry on the scoreboard and time of the begin.
_reported: set[tuple[int, int]] = set()

#: Held while a record is written. The main thread leaves after its report, and must not cut off the
#: record of another thread; its signal handler may interrupt a report of its own.
_reporting = threading.RLock()

#: Seconds to wait for another thread's record: after one second the arbiter kills the worker.
PATIENCE = 0.8


def report(worker: Any, frame: FrameType | None = None) -> None:
    """Log each overdue request once. ``frame`` is where the main thread was when SIGABRT came."""
    if worker.slot is None:
        return
    is_alone = _reporting.acquire(timeout=PATIENCE)
    try:
        _report(worker, frame)
    finally:
        if is_alone:
            _reporting.release()


def _report(worker: Any, frame: FrameType | None) -> None:
    if frame is not None:
        # The watchdog may be about to do it; what the application makes of SystemExit is no answer.
        worker.slot.answer_overdue(max(worker.cfg.timeout - 0.5, 0.5))
    main = threading.main_thread().ident
    frames = sys._current_frames()
    if frame is not None and main is not None:
        frames[main] = frame
    for request in worker.slot.in_flight():
        is_main = frame is not None and request["thread"] == main
        is_old = is_main and request["age_s"] >= worker.cfg.timeout - 0.5
        key = request.pop("entry"), request.pop("started_ms")
        if key in _reported or not (is_old or request["phase"] == "timed out"):
            continue
        _reported.add(key)
        stuck = frames.get(request["thread"]) or _frame_of_greenlet(request)
        _log(worker, request, stuck)


def _frame_of_greenlet(request: dict[str, Any]) -> FrameType | None:
    """Where the greenlet is that was given this request."""
    module = sys.modules.get("greenlet")
    if module is None:
        return None
    for one in gc.get_objects():
        if isinstance(one, module.greenlet):
            environ = _local(one.gr_frame, "wsgi.input")
            if environ is not None and environ.get("RAW_URI") == request["target"]:
                return one.gr_frame
    return None


def _log(worker: Any, request: dict[str, Any], frame: FrameType | None) -> None:
    # Few workers ever come here.
    import traceback

    stack = "".join(traceback.format_stack(frame)) if frame is not None else "  unknown\n"
    identity = _request_id(frame)
    request.update({"worker": os.getpid(), "timeout_s": worker.cfg.timeout, "request_id": identity})
    answer = "answered with 504" if request["phase"] == "timed out" else "its response had begun"
    fields = {"event.name": "request.timeout", "request": request, "code.stacktrace": stack}
    worker.log.error(
        "Request timed out after %.1f s: %s %s from %s, request id %s, in worker (pid:%s); %s. "
        "Its thread is at (most recent call last):\n%s",
        request["age_s"],
        request["method"],
        request["target"],
        request["client"] or "a unix socket",
        identity or "-",
        os.getpid(),
        answer,
        stack.rstrip("\n"),
        extra={json_lines.FIELDS: fields},
    )


def _request_id(frame: FrameType | None) -> str | None:
    """What the client called its request."""
    found = (_local(frame, "wsgi.input") or {}).get("HTTP_X_REQUEST_ID")
    if scope := _local(frame, "asgi"):
        found = dict(scope.get("headers", ())).get(b"x-request-id", b"").decode("latin-1")
    # From outside: it must not forge a log line.
    return ascii(found)[1:-1][:200] if found else None


def _local(frame: FrameType | None, key: str) -> dict[str, Any] | None:
    """Look for the environ or the scope that some caller was given: it has this key."""
    while frame is not None:
        for value in list(frame.f_locals.values()):
            if type(value) is dict and key in value:
                return value
        frame = frame.f_back
    return None
