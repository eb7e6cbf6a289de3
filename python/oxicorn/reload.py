"""SIGHUP: from one configuration to the next, and back if that does not work."""

from __future__ import annotations

import os
from typing import Any

from oxicorn import _oxicorn, sockets
from oxicorn.errors import ConfigError
from oxicorn.title import set_title


class Reload:
    """A change of configuration.

    It stands when a worker has booted with it (``commit``); until then everything of
    the old configuration is kept, listening sockets included (``call_off``).
    """

    def __init__(self, arbiter: Any, first: Reload | None) -> None:
        self.arbiter = arbiter
        self.before = State(arbiter)
        #: What to go back to if the new workers fail: the last configuration that ever worked.
        self.proven: State = first.proven if first is not None else self.before
        #: Every listening socket of the configurations since that one.
        self.sockets: list[sockets.Listener] = list(
            first.sockets if first is not None else self.before.listeners
        )

    def begin(self) -> bool:
        """Read the configuration and act on it. False: it is unusable, nothing has changed."""
        arbiter = self.arbiter
        arbiter.environment.restore()
        try:
            arbiter.app.reload()
            self._apply()
        except ConfigError as error:
            arbiter.log.error("Reload refused: %s. The old configuration stays.", error)
        except sockets.CannotListen as error:
            arbiter.log.error("%s", error)
            arbiter.log.error("Reload refused. The old configuration stays.")
        except (Exception, SystemExit):
            arbiter.log.exception("Reload refused. The old configuration stays.")
        else:
            return True
        discard = [one for one in arbiter.LISTENERS if one not in self.sockets]
        self._return_to(self.before)
        sockets.discard(discard)
        return False

    def _apply(self) -> None:
        arbiter = self.arbiter
        cfg = arbiter.app.cfg
        _oxicorn.check_settings(cfg)
        arbiter.environment.apply(cfg.env)
        self._configure_log(cfg)
        arbiter.setup()
        if arbiter.master_pid:
            arbiter.proc_name += ".2"
        if arbiter.address != self.before.address:
            type(arbiter).LISTENERS = sockets.bind_all(cfg, arbiter.log, known=self.sockets)
            listening = ",".join(map(str, arbiter.LISTENERS))
            arbiter.log.info("Listening at: %s", listening)
        cfg.on_reload(arbiter)
        self._write_pidfile(cfg)
        self.sockets += [one for one in arbiter.LISTENERS if one not in self.sockets]
        set_title(f"oxicorn: master [{arbiter.proc_name}]")

    def _configure_log(self, cfg: Any) -> None:
        """A logger that cannot be had is no reason to do without one."""
        log = self.arbiter.log
        if not hasattr(log, "setup"):
            return
        try:
            log.setup(cfg)
            log.reopen_files()
        except Exception:
            log.exception("The log cannot be set up anew. It stays as it was.")

    def _write_pidfile(self, cfg: Any) -> None:
        if cfg.pidfile != self.before.cfg.pidfile:
            self.arbiter.pidfile = None
            self.arbiter.write_pidfile()

    def commit(self) -> None:
        """Let go of what the proven configuration had and this one has not."""
        arbiter = self.arbiter
        # Socket files stay: old workers still serve what was connected through them.
        for listener in self.sockets:
            if listener not in arbiter.LISTENERS:
                listener.close()
        if self.proven.pidfile not in (None, arbiter.pidfile):
            _oxicorn.remove_pidfile(self.proven.pidfile)

    def call_off(self) -> None:
        """Go back to the proven configuration."""
        self._return_to(self.proven)
        sockets.discard(one for one in self.sockets if one not in self.proven.listeners)

    def _return_to(self, state: State) -> None:
        arbiter = self.arbiter
        arbiter.app.cfg = state.cfg
        os.chdir(state.directory)
        arbiter.environment.apply(state.cfg.env)
        self._configure_log(state.cfg)
        type(arbiter).LISTENERS = state.listeners
        if arbiter.pidfile not in (None, state.pidfile):
            _oxicorn.remove_pidfile(arbiter.pidfile)
        arbiter.pidfile = state.pidfile
        arbiter.cfg = state.cfg
        arbiter.worker_class = state.worker_class
        arbiter.address = state.address
        arbiter.timeout = state.cfg.timeout
        arbiter.proc_name = state.proc_name
        if arbiter.num_workers != state.num_workers:
            arbiter.assign_target(state.num_workers)
        set_title(f"oxicorn: master [{arbiter.proc_name}]")


class State:
    """What a reload changes, as it is now."""

    def __init__(self, arbiter: Any) -> None:
        self.cfg = arbiter.cfg
        self.directory = os.getcwd()
        self.listeners = arbiter.LISTENERS
        self.address = arbiter.address
        self.worker_class = arbiter.worker_class
        self.num_workers = arbiter.num_workers
        self.proc_name = arbiter.proc_name
        self.pidfile = arbiter.pidfile
