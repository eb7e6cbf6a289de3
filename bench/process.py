"""A server under measurement: its processes, what they use, and their certain end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from install import FRAMEWORKS_FOLDER
from peers import APPS, HOST

READY_SECONDS = 15.0
STOP_SECONDS = 3.0
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class ServerFailed(Exception):
    """The server did not start, or did not live through its round."""


@dataclass(frozen=True)
class Usage:
    """CPU seconds of a process tree since its start, and what its worker took at most."""

    user: float
    system: float
    pids: frozenset[int]
    worker_peak_rss_kib: int

    @property
    def cpu(self) -> float:
        return self.user + self.system


class RunningServer:
    """Context manager: started in a session of its own, pinned to one core, gone at the end.

    Without a core it is left to the scheduler. ``prepare`` is called in the child before it becomes the server.
    """

    def __init__(
        self,
        command: list[str],
        port: int,
        core: int | None,
        folder: Path = APPS,
        prepare: Callable[[], object] | None = None,
    ) -> None:
        self.command = command
        self.port = port
        self._core = core
        self._folder = folder
        self._prepare = prepare
        self._log = tempfile.TemporaryFile()

    def __enter__(self) -> RunningServer:
        self._process = subprocess.Popen(
            self.command,
            cwd=self._folder,
            env=_environment(self._folder),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            preexec_fn=self._before_exec,
        )
        try:
            self._wait_until_it_listens()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def usage(self) -> Usage:
        """Sum over the tree; children that were reaped count with their parent."""
        user = system = 0
        busiest, most_ticks = self._process.pid, -1
        pids = tree(self._process.pid)
        for pid in pids:
            fields = _stat(pid)
            if fields is None:
                continue
            # proc_pid_stat(5): utime stime cutime cstime.
            utime, stime, cutime, cstime = (int(field) for field in fields[11:15])
            user += utime + cutime
            system += stime + cstime
            if utime + stime > most_ticks:
                busiest, most_ticks = pid, utime + stime
        return Usage(
            user / TICKS_A_SECOND, system / TICKS_A_SECOND, frozenset(pids), _peak_rss_kib(busiest)
        )

    @property
    def pid(self) -> int:
        """The process that was started: the arbiter, where there is one."""
        return self._process.pid

    def send(self, number: int) -> None:
        """A signal for the process that was started, if it is still there."""
        # Its number cannot be another's: a zombie keeps it, see `exit_status`.
        os.kill(self.pid, number)

    def exit_status(self) -> int | None:
        """Of the process that was started, a signal's number negative; None while it runs."""
        # Not reaped here: while the leader is a zombie nobody else can get its group's number.
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def log(self) -> str:
        """All that the server wrote."""
        # Not by `seek`: the server writes at the same position.
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def last_words(self) -> str:
        """The end of what the server wrote, on one line."""
        lines = self.log().strip().splitlines()
        return " | ".join(line.strip() for line in lines[-4:])

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.exit_status() is not None:
                raise ServerFailed(f"exited at start: {self.last_words()}")
            with socket.socket() as probe:
                if probe.connect_ex((HOST, self.port)) == 0:
                    return
            time.sleep(0.02)
        raise ServerFailed(f"not listening after {READY_SECONDS:.0f} s: {self.last_words()}")

    def _before_exec(self) -> None:
        # A server that counts cores sees the one it has.
        if self._core is not None:
            os.sched_setaffinity(0, {self._core})
        if self._prepare is not None:
            self._prepare()

    def _stop(self) -> None:
        """Ask the leader, then end whatever is left of the group."""
        deadline = time.monotonic() + STOP_SECONDS
        os.kill(self._process.pid, signal.SIGTERM)
        while time.monotonic() < deadline and self.exit_status() is None:
            time.sleep(0.01)
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _environment(folder: Path) -> dict[str, str]:
    """The same for all servers; nobody's own variables (GUNICORN_CMD_ARGS, ...) leak in."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", "PYTHONPATH": f"{folder}:{APPS}:{FRAMEWORKS_FOLDER}"}


def tree(root: int) -> list[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def _stat(pid: int) -> list[str] | None:
    """The fields behind the command name (which may hold blanks); None if the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _peak_rss_kib(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    values = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(values[0]) if values else 0
