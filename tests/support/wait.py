"""Waiting for a condition, never for a duration."""

import time

DEADLINE = 20.0


def until(condition, what="the condition", deadline=DEADLINE):
    """Return the first true value of ``condition()``; fail when the deadline passes without one."""
    end = time.monotonic() + deadline
    pause = 0.001
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come about in {deadline} s")
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
