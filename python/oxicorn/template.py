"""The template process: with ``preload_app`` it loads the application and forks the workers.

The arbiter does not load it, so that a reload can start over with what is on disk by then. What belongs
to a worker before and after its life, ``pre_fork`` and ``child_exit``, runs here, beside the application.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
from typing import TYPE_CHECKING, Any

from oxicorn import _oxicorn, child
from oxicorn.errors import AppImportError
from oxicorn.title import set_title

if TYPE_CHECKING:
    from oxicorn.arbiter import Arbiter


def run(arbiter: Arbiter, control: _oxicorn.Template) -> tuple[Any, int]:
    """Be a template. Gives its exit status in the end; in every worker that it forks, the worker."""
    become(arbiter, control)
    try:
        arbiter.app.wsgi()
    except (Exception, SystemExit) as error:
        if control.number == 1:
            # The start of the server: whoever started it reads this.
            if isinstance(error, SystemExit):
                arbiter.log.exception(
                    "The application called sys.exit(%r) as it was loaded", error.code
                )
            raise
        arbiter.log.exception("The application cannot be loaded")
        unusable = isinstance(error, AppImportError)
        return None, arbiter.APP_LOAD_ERROR if unusable else arbiter.WORKER_BOOT_ERROR
    # What is there now is never looked at again, so that its memory stays shared.
    gc.collect()
    gc.freeze()
    ignore_signals(arbiter)
    return obey(arbiter, control), 0


def become(arbiter: Arbiter, control: _oxicorn.Template) -> None:
    """Replace what belongs to the arbiter alone."""
    _oxicorn.die_with_parent()
    signal.set_wakeup_fd(-1)
    for number in arbiter.SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    ignore_signals(arbiter)
    # Hooks go on to ask the arbiter.
    arbiter.delegate(control)
    arbiter.close_retired_sockets()
    arbiter.WORKERS.clear()
    set_title(f"oxicorn: template [{arbiter.proc_name}]")
    signal.pthread_sigmask(signal.SIG_SETMASK, arbiter.mask)
    arbiter.log.info("Booting template with pid: %s", os.getpid())
    importlib.invalidate_caches()


def ignore_signals(arbiter: Arbiter) -> None:
    """Leave to the arbiter what a terminal or an operator sends to the whole group."""
    for number in arbiter.SIGNALS:
        if number not in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)


def obey(arbiter: Arbiter, control: _oxicorn.Template) -> Any:
    """Do what the arbiter orders until it ends; gives the worker in each that is forked."""
    control.ready()
    while (order := control.order()) is not None:
        name, age, argument = order
        try:
            if name == "fork":
                worker = fork(arbiter, control, age, control.slot(argument))
                if worker is not None:
                    return worker
            elif name == "bury":
                arbiter.worker_gone(age, bool(argument))
                control.done()
            else:
                arbiter.close_retired_template()
        except Exception as error:
            control.failed(arbiter.unhandled(error))
    return None


def fork(arbiter: Arbiter, control: _oxicorn.Template, age: int, slot: _oxicorn.Slot) -> Any:
    """Fork a worker; gives it in itself."""
    worker = arbiter.prepare_worker(age, slot)
    try:
        pid = control.fork(slot)
    except OSError as error:
        arbiter.log.error("Cannot fork: %s", error)
        control.cannot_fork()
        return None
    if pid is None:
        return worker
    worker.pid = pid
    arbiter.WORKERS[pid] = worker
    control.forked(pid)
    return None


def leave(arbiter: Arbiter, control: _oxicorn.Template) -> int:
    """Run the template, or the worker that this process becomes, to its end."""
    worker, status = run(arbiter, control)
    if worker is not None:
        return child.leave_with(child.run_worker(arbiter, worker), worker)
    return status
