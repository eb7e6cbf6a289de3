"""A worker process, from its fork to its exit status."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from oxicorn import sockets
from oxicorn.errors import AppImportError
from oxicorn.title import set_title

if TYPE_CHECKING:
    from oxicorn.arbiter import Arbiter


#: What asks a worker to end, and what would end it by default.
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1)


def run_worker(arbiter: Arbiter, worker: Any) -> int:
    """Be this worker, and give the status to exit with. Called with all signals blocked."""
    take_signals(arbiter, worker)
    try:
        # What was sent since the fork is delivered here, to our handlers.
        signal.pthread_sigmask(signal.SIG_SETMASK, arbiter.mask)
        return end(worker, boot(arbiter, worker))
    except SystemExit as error:
        return end(worker, exit_status(error))
    except AppImportError as error:
        arbiter.log.debug("The application cannot be used", exc_info=True)
        print(error, file=sys.stderr, flush=True)
        return arbiter.APP_LOAD_ERROR
    except Exception as error:
        arbiter.log.exception("Exception in worker process")
        if worker.booted:
            return 255
        print(error, file=sys.stderr, flush=True)
        return arbiter.WORKER_BOOT_ERROR
    finally:
        ignore_signals()
        arbiter.log.info("Worker exiting (pid: %s)", os.getpid())
        try:
            arbiter.cfg.worker_exit(arbiter, worker)
        except Exception:
            arbiter.log.warning("Exception during worker exit", exc_info=True)


def boot(arbiter: Arbiter, worker: Any) -> int:
    """From the fork to the end of the worker's loop."""
    worker.pid = os.getpid()
    arbiter.close_retired_sockets()
    set_title(f"oxicorn: worker [{arbiter.proc_name}]")
    arbiter.log.info("Booting worker with pid: %s", worker.pid)
    if arbiter.cfg.reuse_port and not arbiter.origin.has_sockets:
        own = sockets.bind_all(arbiter.cfg, arbiter.log, per_worker=True)
        worker.sockets = [*worker.sockets, *own]
    arbiter.cfg.post_fork(arbiter, worker)
    worker.init_process()
    return 0


def end(worker: Any, status: int) -> int:
    """Give the status to end with. With 0 the worker does so because it was told to."""
    if status == 0 and worker.slot is not None:
        worker.slot.end_tenure()
    return status


def leave_with(status: int, worker: Any) -> int:
    """Give the status to leave with, or leave at once where the interpreter cannot be shut down.

    It would end the threads that are still in the application in the middle of native code, which
    crashes the process.
    """
    if getattr(worker, "busy_threads", 0):
        atexit._run_exitfuncs()
        for stream in sys.stdout, sys.stderr:
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(status)
    return status


def take_signals(arbiter: Arbiter, worker: Any) -> None:
    """Replace the arbiter's handlers, until the worker installs its own."""

    def leave_now(number: int, frame: FrameType | None) -> None:
        # Code that swallows what is raised here leaves the worker booting, see `Worker.init_process`.
        worker.alive = False
        leave(number, frame)

    def leave_quickly(number: int, frame: FrameType | None) -> None:
        # Once: the hook may be asked to hurry by a second signal.
        for ending in signal.SIGINT, signal.SIGQUIT:
            signal.signal(ending, leave)
        worker.alive = False
        arbiter.cfg.worker_int(worker)
        leave(number, frame)

    signal.set_wakeup_fd(-1)
    for number in arbiter.SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    for number in signal.SIGUSR1, signal.SIGWINCH:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, leave_now)
    for number in signal.SIGINT, signal.SIGQUIT:
        signal.signal(number, leave_quickly)


@contextlib.contextmanager
def held_off() -> Iterator[None]:
    """Let signals wait for the end of this context, which would be left half done by a handler that raises."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def ignore_signals() -> None:
    """Let nothing interrupt an end in good order.

    A terminal signals the whole group and the arbiter passes it on, so signals are repeated. One that came now
    would raise in the middle of the clean-up, or kill the process while the interpreter shuts down and
    puts default handlers back.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    # Blocking leaves at most one of each whose handler is still to run, and may raise.
    for number in [*ENDING, *ENDING]:
        with contextlib.suppress(SystemExit):
            signal.signal(number, lambda *_: None)
    # Now none of them can do harm, so that Python does not complain of one whose handler is gone.
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def leave(sig: int, frame: FrameType | None) -> NoReturn:
    """Leave in good order: worker_exit is run."""
    sys.exit(0)


def exit_status(error: SystemExit) -> int:
    """The status that ``sys.exit`` was called with."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code
    print(error.code, file=sys.stderr, flush=True)
    return 1
