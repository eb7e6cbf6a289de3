"""The arbiter process: its start, its hooks and what they may ask of it.

The loop itself is in the Rust core (``supervise``), which calls back for everything that operators
can see or override.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, ClassVar, NoReturn

from oxicorn import __version__, _oxicorn, child, compat, sockets, template, terminal
from oxicorn.environment import Environment, Start
from oxicorn.errors import HaltServer
from oxicorn.instrument import backlog
from oxicorn.logs import json_lines
from oxicorn.reload import Reload
from oxicorn.title import set_title

SERVER_SOFTWARE = f"oxicorn/{__version__}"


class Arbiter:
    """What hooks get as ``server``."""

    WORKER_BOOT_ERROR = 3
    APP_LOAD_ERROR = 4

    SIGNALS: ClassVar[list[int]] = [
        getattr(signal, f"SIG{name}")
        for name in "HUP QUIT INT TERM TTIN TTOU USR1 USR2 WINCH CHLD".split()
    ]

    #: Listening sockets, as workers get them.
    LISTENERS: ClassVar[list[sockets.Listener]] = []
    #: Workers by pid.
    WORKERS: ClassVar[dict[int, Any]] = {}
    #: How this process was started, for SIGUSR2. Hooks may change it.
    START_CTX: ClassVar[dict[Any, Any]] = {}

    def __init__(self, app: Any) -> None:
        self.app = app
        self.cfg = app.cfg
        self.log: Any = None
        self.pid = os.getpid()
        self.pidfile: str | None = None
        self.worker_class: Any = None
        self.worker_age = 0
        self.reexec_pid = 0
        self.address: list[Any] = []
        self.timeout = self.cfg.timeout
        self.proc_name = self.cfg.proc_name
        self._num_workers: int | None = None
        self._inbox = _oxicorn.Inbox()
        # Where hooks turn to: in a template another process.
        self._loop: _oxicorn.Inbox | _oxicorn.Template = self._inbox
        self.environment = Environment()
        self._reload: Reload | None = None
        # The mask that workers and a successor go back to.
        self.mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        self.origin = Start.of(os.environ)
        self.master_pid = self.origin.master_pid
        self.systemd = bool(self.origin.passed)
        self.master_name = "Master.2" if self.master_pid else "Master"
        directory = getattr(app, "start_directory", None) or os.getcwd()
        Arbiter.START_CTX = {"args": list(sys.orig_argv), "cwd": directory, 0: sys.executable}

    # The life of the process.

    def run(self) -> int:
        """Serve until stopped; returns the exit status, in workers and templates as well."""
        try:
            self.start()
        except sockets.CannotListen as error:
            self.log.error("%s", error)
            self._remove_pidfile()
            return 1
        except BaseException:
            self._remove_pidfile()
            raise
        forked, status, reason = _oxicorn.supervise(self, self._inbox)
        if isinstance(forked, _oxicorn.Template):
            return template.leave(self, forked)
        if forked is not None:
            return child.leave_with(child.run_worker(self, forked), forked)
        status = self._finish(status, reason)
        child.ignore_signals()
        return status

    def start(self) -> None:
        """Everything before the first fork, in the order that operators rely on."""
        # A program that embeds us may have imported Gunicorn itself before.
        compat.install(replace=True)
        self._become_daemon()
        self._extend_path()
        os.environ["SERVER_SOFTWARE"] = SERVER_SOFTWARE
        self.log = self._make_logger()
        self.setup()
        self.environment.apply(self.cfg.env)
        self.pid = os.getpid()
        if not terminal.is_only_place(self.log):
            self.log.info("Starting oxicorn %s", __version__)
        if self.master_pid:
            self.proc_name += ".2"
        self.write_pidfile()
        set_title(f"oxicorn: master [{self.proc_name}]")
        self.cfg.on_starting(self)
        self._init_signals()
        Arbiter.LISTENERS = self._open_sockets()
        self._announce()
        if hasattr(self.worker_class, "check_config"):
            self.worker_class.check_config(self.cfg, self.log)
        self.cfg.when_ready(self)

    def setup(self) -> None:
        """Take over what the configuration says about workers."""
        self.cfg = self.app.cfg
        self.worker_class = self.cfg.worker_class
        self.address = self.cfg.address
        self.timeout = self.cfg.timeout
        self.proc_name = self.cfg.proc_name
        self.assign_target(self.cfg.workers)

    def _become_daemon(self) -> None:
        # A successor is started by a daemon already.
        if not self.cfg.daemon or self.origin.inherited:
            return
        if "NOTIFY_SOCKET" in os.environ:
            print(
                "Warning: --daemon hides the server from systemd, which waits for its messages "
                "(NOTIFY_SOCKET is set). Start it without --daemon.",
                file=sys.stderr,
            )
        for stream in sys.stdout, sys.stderr:
            stream.flush()
        if os.fork():
            os._exit(0)
        _oxicorn.new_session()
        # Not a session leader any more, so that no terminal can become ours again.
        if os.fork():
            os._exit(0)
        _oxicorn.null_stdio(self.cfg.enable_stdio_inheritance)

    def _extend_path(self) -> None:
        for entry in (self.cfg.pythonpath or "").split(","):
            path = os.path.abspath(entry.strip())
            if entry.strip() and path not in sys.path:
                sys.path.insert(0, path)

    def _make_logger(self) -> Any:
        logger_class = self.cfg.logger_class
        if hasattr(logger_class, "install"):
            logger_class.install()
        try:
            return logger_class(self.cfg)
        except OSError as error:
            raise RuntimeError(f"errorlog '{self.cfg.errorlog}' isn't writable: {error}") from None

    def _init_signals(self) -> None:
        signal.set_wakeup_fd(self._inbox.fileno(), warn_on_full_buffer=False)
        for number in self.SIGNALS:
            signal.signal(number, self._inbox)

    def _open_sockets(self) -> list[sockets.Listener]:
        start = self.origin
        if start.passed:
            return sockets.inherited(start.passed, self.cfg, with_files=False)
        if start.inherited:
            return sockets.inherited(start.inherited, self.cfg, with_files=True)
        return sockets.bind_all(self.cfg, self.log)

    def _announce(self) -> None:
        if terminal.is_only_place(self.log):
            terminal.show_banner(self)
        else:
            listening = ",".join(map(str, self.LISTENERS))
            self.log.info("Listening at: %s (%s)", listening, self.pid)
            self.log.info("Using worker: %s", self.cfg.worker_class_str)
        self.log.debug("Current configuration:\n%s", self.cfg)
        self.log.debug("Arbiter booted")

    def _finish(self, status: int, reason: str | None) -> int:
        log = self.log.error if status else self.log.info
        log("Shutting down: %s", self.master_name)
        if reason:
            self.log.error("Reason: %s", reason)
        self._remove_pidfile()
        self.cfg.on_exit(self)
        return status

    def write_pidfile(self) -> None:
        """Name this process in the configured file; a successor uses another until it is promoted."""
        if self.cfg.pidfile is not None:
            path = self.cfg.pidfile + (".2" if self.master_pid else "")
            _oxicorn.create_pidfile(path)
            self.pidfile = os.path.abspath(path)

    def _remove_pidfile(self) -> None:
        if self.pidfile is not None:
            _oxicorn.remove_pidfile(self.pidfile)
            self.pidfile = None

    # What hooks may ask.

    @property
    def num_workers(self) -> int:
        """How many workers there shall be."""
        return self._num_workers or 0

    @num_workers.setter
    def num_workers(self, value: int) -> None:
        self._loop.set_target(value)
        self.assign_target(value)

    def assign_target(self, value: int) -> None:
        """Take over a number of workers that the loop knows already."""
        old, self._num_workers = self._num_workers, value
        self.cfg.nworkers_changed(self, value, old)

    def kill_worker(self, pid: int, sig: int) -> None:
        """Send a signal to a worker."""
        if pid in self.WORKERS:
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                # It has ended by itself; the loop is about to notice.
                pass

    def kill_workers(self, sig: int) -> None:
        """Send a signal to every worker."""
        for pid in list(self.WORKERS):
            self.kill_worker(pid, sig)

    def spawn_worker(self) -> None:
        """Have missing workers forked."""
        self.manage_workers()

    def manage_workers(self) -> None:
        """Have the number of workers put right."""
        self._loop.wake()

    def wakeup(self) -> None:
        """Have the loop look at everything again."""
        self._loop.wake()

    def reload(self) -> None:
        """Reload, as SIGHUP does."""
        if isinstance(self._loop, _oxicorn.Template):
            os.kill(self.pid, signal.SIGHUP)
        else:
            self._inbox(signal.SIGHUP, None)

    # What the loop asks.

    def prepare_worker(self, age: int, slot: _oxicorn.Slot) -> Any:
        """Make the worker that is about to be forked here."""
        worker = self.make_worker(age, slot)
        self.cfg.pre_fork(self, worker)
        return worker

    def make_worker(self, age: int, slot: _oxicorn.Slot) -> Any:
        """Make the object of a worker, in the process that forks it and in the arbiter."""
        self.worker_age = age
        worker = self.worker_class(
            age, self.pid, list(self.LISTENERS), self.app, self.timeout / 2, self.cfg, self.log
        )
        worker.slot = slot
        return worker

    def worker_forked(self, pid: int, worker: Any) -> None:
        """Note a new worker."""
        worker.pid = pid
        self.WORKERS[pid] = worker
        self._tell_workers()

    def _tell_workers(self) -> None:
        count = len(self.WORKERS)
        extra = {"metric": "gunicorn.workers", "value": count, "mtype": "gauge"}
        self.log.debug("%s workers", count, extra=extra)

    def report_backlog(self) -> None:
        """Once a pass of the loop, with ``enable_backlog_metric``."""
        backlog.report(self.log, self.LISTENERS)

    def report_death(self, message: str, fields: dict[str, Any]) -> None:
        """Log how a worker ended and what it was doing."""
        self.log.error("%s", message, extra={json_lines.FIELDS: fields})

    def worker_gone(self, age: int, boot_failure: bool) -> None:
        """Forget a worker that has ended."""
        found = [pid for pid, worker in self.WORKERS.items() if worker.age == age]
        for pid in found:
            worker = self.WORKERS.pop(pid)
            self._tell_workers()
            if boot_failure:
                continue
            try:
                self.cfg.child_exit(self, worker)
            except Exception as error:
                self.log.exception("Exception in child_exit hook")
                raise HaltServer("child_exit failed", 1) from error

    def reload_config(self) -> bool:
        """Read the configuration again. False: it is unusable and the old one stays."""
        reload = Reload(self, first=self._reload)
        if not reload.begin():
            return False
        self._reload = reload
        return True

    def commit_reload(self) -> None:
        """The new configuration works: let go of the old one."""
        reload, self._reload = self._reload, None
        if reload is not None:
            reload.commit()

    def call_off_reload(self) -> None:
        """The new configuration does not work: back to the old one."""
        reload, self._reload = self._reload, None
        if reload is not None:
            reload.call_off()

    def close_retired_sockets(self) -> None:
        """In a worker: close what the arbiter only keeps in case the reload is called off.

        Connections would go on arriving there, and nobody would accept them.
        """
        if self._reload is not None:
            for listener in self._reload.sockets:
                if listener not in self.LISTENERS:
                    listener.close()

    def delegate(self, control: _oxicorn.Template) -> None:
        """In a template: what hooks ask goes to the arbiter by this way."""
        self._loop = control

    def close_retired_template(self) -> None:
        """In a template that forks no more: listen no longer, because nobody accepts here."""
        for listener in self.LISTENERS:
            listener.close()
        Arbiter.LISTENERS = []

    def become_successor(self) -> NoReturn:
        """In a child: run the installed server anew on the same sockets."""
        status = 1
        try:
            self.cfg.pre_exec(self)
            environment = self.origin.successor_environment(self)
            os.chdir(self.START_CTX["cwd"])
            signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)
            os.execvpe(self.START_CTX[0], self.START_CTX["args"], environment)
        except SystemExit as error:
            status = child.exit_status(error)
        except BaseException:
            self.log.exception("The new master could not be started")
        finally:
            # Never back into the loop: this process has no workers.
            os._exit(status)

    def promote(self) -> None:
        """The old arbiter is gone: take over its pid file and name."""
        self.master_pid = 0
        self.master_name = "Master"
        os.environ.pop("GUNICORN_PID", None)
        self.proc_name = self.cfg.proc_name
        set_title(f"oxicorn: master [{self.proc_name}]")
        self._remove_pidfile()
        try:
            self.write_pidfile()
        except RuntimeError as error:
            self.log.error("%s", error)

    def reopen_logs(self) -> None:
        """Open the log files anew."""
        self.log.reopen_files()

    def close_listeners(self, shared: bool) -> None:
        """Close the sockets here; remove their files unless another arbiter uses them."""
        for listener in self.LISTENERS:
            try:
                if not shared:
                    listener.remove_file()
                listener.close()
            except OSError as error:
                self.log.info("Error while closing socket %s: %s", listener, error)
        Arbiter.LISTENERS = []

    def unhandled(self, error: BaseException) -> int:
        """Log what a hook raised; gives the status that the server ends with."""
        if isinstance(error, HaltServer):
            return error.exit_status
        if isinstance(error, SystemExit):
            return child.exit_status(error)
        self.log.error("Unhandled exception in main loop", exc_info=error)
        return 255
