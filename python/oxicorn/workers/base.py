"""The life of a worker process, for built-in and custom worker classes alike."""

from __future__ import annotations

import os
import pwd
import random
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, ClassVar

from oxicorn import _oxicorn, overdue, title
from oxicorn.http.errors import ParseException

#: Seconds after which a worker is taken to serve that tells nothing, if there is no limit on that.
UNHEARD = 15.0


class Worker:
    """A worker. Subclasses implement ``run``.

    It is made in the arbiter and then forked. While it runs it must call ``notify`` at least every
    ``timeout`` seconds, and leave when ``alive`` is false or its parent is not ``ppid`` any more.
    """

    SIGNALS: ClassVar[list[int]] = [
        getattr(signal, f"SIG{name}")
        for name in "ABRT HUP QUIT INT TERM USR1 USR2 WINCH CHLD".split()
    ]

    #: What the class runs; None for a class that finds out itself.
    INTERFACE: ClassVar[str | None] = None

    #: Pipe that signals write to, so that a loop can sleep on it.
    PIPE: tuple[int, int]
    #: Threads that are still in the application when ``run`` is over.
    busy_threads = 0
    #: This worker's record on the scoreboard; given by the arbiter.
    slot: _oxicorn.Slot | None = None

    def __init__(
        self, age: int, ppid: int, sockets: list[Any], app: Any, timeout: float, cfg: Any, log: Any
    ) -> None:
        self.age = age
        self.pid: int | str = "[booting]"
        self.ppid = ppid
        self.sockets = sockets
        self.app = app
        self.timeout = timeout
        self.cfg = cfg
        self.log = log
        self.booted = False
        self.aborted = False
        self.alive = True
        #: The application is being loaded, so nothing is there that has to be finished.
        self.is_loading = False
        self.reloader: Any = None
        self.nr = 0
        self.max_requests = sys.maxsize
        if cfg.max_requests > 0:
            # So that workers that were started together do not all leave together.
            self.max_requests = cfg.max_requests + random.randint(0, cfg.max_requests_jitter)
        #: Bytes and seconds at which it asks to be replaced, where that is wanted.
        self.max_memory = int(shortened(cfg.max_worker_memory))
        self.max_lifetime = shortened(cfg.max_worker_lifetime)
        self.wsgi: Any = None
        self.wait_fds: list[Any] = []
        #: The heartbeat by another name.
        self.tmp = Heartbeat(self)

    def __str__(self) -> str:
        return f"<Worker {self.pid}>"

    def notify(self) -> None:
        """Tell the arbiter that this worker is alive."""
        # By way of the heartbeat, as in Gunicorn: subclasses override either.
        self.tmp.notify()

    def run(self) -> None:
        """Serve until told to leave."""
        raise NotImplementedError

    def init_process(self) -> None:
        """Become a worker, load the application and run. Subclasses that extend this call it last."""
        os.environ.update(self.cfg.env)
        self.drop_privileges()
        random.seed()
        self.start_keeper()

        self.PIPE = os.pipe()
        for descriptor in self.PIPE:
            os.set_blocking(descriptor, False)
        self.wait_fds = [*self.sockets, self.PIPE[0]]
        self.log.close_on_exec()
        self.init_signals()
        self.is_loading = True
        self.leave_if_told()

        if self.cfg.reload:
            from oxicorn import reloader

            self.reloader = reloader.for_worker(self)
        self.load_wsgi()
        self.start_application()
        self.is_loading = False
        self.leave_if_told()
        if self.reloader is not None:
            self.reloader.start()
        self.cfg.post_worker_init(self)
        self.booted = True
        self.tmp.expect(at_once=runs_an_engine(type(self)), within=self.timeout)
        self.run()

    def leave_if_told(self) -> None:
        """Leave, if a handler has raised for that before, and something swallowed it."""
        if not self.alive:
            sys.exit(0)

    def drop_privileges(self) -> None:
        """Go on as the user and group of the configuration."""
        name = None
        if self.cfg.initgroups:
            try:
                name = pwd.getpwuid(self.cfg.uid).pw_name
            except KeyError:
                self.log.warning("User %s has no name, so it has no groups to take.", self.cfg.uid)
        _oxicorn.assume_identity(self.cfg.uid, self.cfg.gid, name)

    def start_keeper(self) -> None:
        """Start the process that answers for this one if it is killed.

        Now, when this process has little memory that it would have to copy.
        """
        if self.slot is None or not runs_an_engine(type(self)):
            return
        try:
            with title.said_otherwise("keeper"):
                self.slot.start_keeper()
        except OSError as error:
            self.log.warning(
                "The connections of worker (pid:%s) will be lost if it is killed: %s",
                self.pid,
                error,
            )

    def load_wsgi(self) -> None:
        """Load the application."""
        try:
            self.wsgi = self.app.wsgi()
        except SystemExit as error:
            if self.alive:
                self.log.exception(
                    "The application called sys.exit(%r) as it was loaded", error.code
                )
            raise
        except SyntaxError as error:
            if self.reloader is None:
                raise
            from oxicorn import reloader

            self.wsgi = reloader.stand_in(self, error)
            return
        if self.INTERFACE is not None:
            from oxicorn.workers import choice

            choice.check(self)

    def start_application(self) -> None:
        """Do what the application needs before it can serve. For subclasses."""

    def stop_listening(self) -> None:
        """Close the listening sockets here. When every worker has, who connects is refused, and waits for nobody."""
        for one in self.sockets:
            one.close()

    def init_signals(self) -> None:
        """Install the handlers. A signal that arrives meanwhile waits for its new handler."""
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, self.SIGNALS)
        try:
            for number in self.SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGQUIT, self.handle_quit)
            signal.signal(signal.SIGTERM, self.handle_exit)
            signal.signal(signal.SIGINT, self.handle_quit)
            signal.signal(signal.SIGWINCH, self.handle_winch)
            signal.signal(signal.SIGUSR1, self.handle_usr1)
            signal.signal(signal.SIGABRT, self.handle_abort)
            # System calls of the application go on after these two.
            signal.siginterrupt(signal.SIGTERM, False)
            signal.siginterrupt(signal.SIGUSR1, False)
            signal.set_wakeup_fd(self.PIPE[1], warn_on_full_buffer=False)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """TERM: finish what there is, then leave."""
        self.alive = False
        if self.is_loading:
            sys.exit(0)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """INT and QUIT: leave at once."""
        self.alive = False
        # Once is enough: a terminal sends INT and the arbiter QUIT, and each would start over here.
        # Not SIG_IGN: Python complains of a signal that came before and whose handler is gone.
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, lambda *_: None)
        self.cfg.worker_int(self)
        # Other threads get a moment to end what they are at.
        time.sleep(0.1)
        sys.exit(0)

    def handle_abort(self, sig: int, frame: FrameType | None) -> None:
        """ABRT: the arbiter has not heard of this worker for too long."""
        self.alive = False
        self.aborted = True
        overdue.report(self, frame)
        self.cfg.worker_abort(self)
        sys.exit(1)

    def report_overdue(self, abort: bool, tasks: overdue.Tasks | None = None) -> None:
        """Log requests that the watchdog has answered."""
        overdue.report(self, tasks=tasks)
        # Where the request runs in the main thread, the arbiter sends SIGABRT, which comes to the same.
        if abort:
            try:
                self.cfg.worker_abort(self)
            except (Exception, SystemExit):
                self.log.exception("Exception in worker_abort hook")

    def handle_usr1(self, sig: int, frame: FrameType | None) -> None:
        """USR1: the log files were moved away."""
        self.log.reopen_files()

    def handle_winch(self, sig: int, frame: FrameType | None) -> None:
        """WINCH: a terminal was resized, which is nothing to a worker."""
        self.log.debug("worker: SIGWINCH ignored.")

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Log what went wrong with a request and answer it, if the client still listens.

        For custom workers that speak HTTP themselves.
        """
        # Few worker classes come here, and every worker would pay for the imports.
        import http.client

        from oxicorn.compat import util

        address = addr[0] if isinstance(addr, tuple) and addr else addr or ""
        if isinstance(exc, ParseException):
            status = getattr(exc, "code", 400)
            self.log.warning("Invalid request from ip=%s: %s", address, exc)
        else:
            status = 500
            uri = getattr(req, "uri", None)
            self.log.error("Error handling request %s", uri or "(no URI read)", exc_info=exc)
        reason = http.client.responses.get(status, "")
        try:
            util.write_error(client, status, reason, str(exc) if status < 500 else "")
        except OSError:
            self.log.debug("Failed to send error message.")


def shortened(limit: float) -> float:
    """Take up to a tenth away, so that workers that were started together are replaced apart."""
    return limit * random.uniform(0.9, 1.0)


def runs_an_engine(worker_class: type[Worker]) -> bool:
    """Whether ``run`` is ours: then the worker serves as soon as it runs."""
    return str(getattr(worker_class.run, "__module__", "")).startswith("oxicorn.")


class Heartbeat:
    """How the arbiter hears of a worker; looks like the heartbeat file that classes were written for."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._ready: Callable[[], None] | None = None
        self._patience: Any = None

    def expect(self, *, at_once: bool, within: float) -> None:
        """The worker begins to run. Its first heartbeat from now on says that it serves.

        What happens before it, such as the start of an ASGI application, may fail. Classes that never
        tell anything are taken to serve after some time.
        """
        slot = self._worker.slot
        if slot is None:
            return
        if at_once:
            slot.ready()
            return
        # Few classes come here, and every worker would pay for the import.
        import threading

        self._ready = slot.ready
        self._patience = threading.Timer(within or UNHEARD, self._serves)
        self._patience.daemon = True
        self._patience.start()

    def notify(self) -> None:
        """Tell the arbiter that this worker is alive."""
        if self._worker.slot is not None:
            self._worker.slot.beat()
        if self._ready is not None:
            self._patience.cancel()
            self._serves()

    def _serves(self) -> None:
        ready, self._ready = self._ready, None
        if ready is not None:
            ready()

    def last_update(self) -> float:
        """Time of the last heartbeat, of the monotonic clock; 0 before the first."""
        slot = self._worker.slot
        return (slot.last_beat if slot is not None else None) or 0.0

    def close(self) -> None:
        """Do nothing: there is no file."""
