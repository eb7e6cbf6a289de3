"""Environment variables: those that were configured, and those that a start hands over."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from oxicorn import _oxicorn

#: First descriptor that a service manager passes on.
FIRST_PASSED = 3


class Environment:
    """The variables of ``raw_env``, and what they hid."""

    def __init__(self) -> None:
        self._hidden: dict[str, str | None] = {}

    def apply(self, variables: Mapping[str, str]) -> None:
        """Export them, instead of those exported before."""
        self.restore()
        self._hidden = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)

    def restore(self) -> None:
        """Put back what was there before."""
        for name, value in self._hidden.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._hidden = {}


@dataclass
class Start:
    """How this process came to be: by hand, by socket activation, or as a successor (SIGUSR2)."""

    #: The arbiter that this one succeeds; 0 if there is none, or not any more.
    master_pid: int = 0
    #: Listening sockets of that arbiter.
    inherited: list[int] = field(default_factory=list)
    #: Listening sockets from a service manager.
    passed: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Start:
        """Read, and remove, what was handed over."""
        start = cls(master_pid=number(environment.get("GUNICORN_PID")))
        descriptors = environment.pop("GUNICORN_FD", "").split(",")
        start.inherited = [int(text) for text in descriptors if text.strip().isdigit()]
        given = environment.get("LISTEN_PID"), environment.get("LISTEN_FDS")
        start.passed = _oxicorn.passed_listeners(*given)
        if start.passed:
            for name in "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES":
                environment.pop(name, None)
        return start

    @property
    def has_sockets(self) -> bool:
        """Listening sockets were handed over, so addresses are not bound."""
        return bool(self.inherited or self.passed)

    def successor_environment(self, arbiter: Any) -> dict[str, str]:
        """In the process that is about to run the successor: hand over the sockets."""
        environment = dict(arbiter.cfg.env_orig)
        environment["GUNICORN_PID"] = str(arbiter.pid)
        descriptors = [listener.fileno() for listener in arbiter.LISTENERS]
        if self.passed:
            place(descriptors)
            environment["LISTEN_PID"] = str(os.getpid())
            environment["LISTEN_FDS"] = str(len(descriptors))
        else:
            for descriptor in descriptors:
                os.set_inheritable(descriptor, True)
            environment["GUNICORN_FD"] = ",".join(map(str, descriptors))
        return environment


def place(descriptors: list[int]) -> None:
    """Number these descriptors from 3 on, for the next program."""
    # First out of the way: one may sit where another has to go.
    above = FIRST_PASSED + len(descriptors)
    copies = [fcntl.fcntl(old, fcntl.F_DUPFD_CLOEXEC, above) for old in descriptors]
    for position, copy in enumerate(copies, FIRST_PASSED):
        os.dup2(copy, position, inheritable=True)


def number(text: str | None) -> int:
    """A pid from the environment; 0 if there is none."""
    return int(text) if text is not None and text.isdigit() else 0
