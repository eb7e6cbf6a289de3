"""A server that is watched from outside as a set of processes: signals, pid files, generations."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from . import process
from .client import Connection
from .server import NAME, clean_environment, folders, worker_flags
from .wait import until

APPLICATION = "process:application"


class Master:
    """A server in a folder of its own. It binds what the arguments or ``conf.py`` say.

    Its unix socket ``s`` is there unless ``bind`` is None.
    """

    def __init__(
        self,
        folder,
        *arguments,
        app=APPLICATION,
        bind="unix:s",
        config=None,
        environment=None,
        **popen,
    ):
        self.folder = Path(folder)
        self.log_file = self.folder / "master.log"
        # The test is the service manager, so that it knows when all workers are ready.
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(self.folder / "notify"))
        self.manager.setblocking(False)
        self.received = []
        flags = worker_flags(arguments, config or "")
        command = [sys.executable, "-m", NAME, *flags]
        if config is not None:
            self.configure(config)
            command += ["--config", "conf.py"]
        if bind is not None:
            command += ["--bind", bind]
        # A test may put modules of its own before them, in the environment.
        path = [*map(str, folders(flags, arguments))]
        own = (environment or {}).get("PYTHONPATH")
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *map(str, arguments), app],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=clean_environment()
                | {"PYTHONDONTWRITEBYTECODE": "1", "NOTIFY_SOCKET": str(self.folder / "notify")}
                | (environment or {})
                | {"PYTHONPATH": ":".join([own, *path] if own else path)},
                start_new_session=True,
                **popen,
            )
        self.pid = self.process.pid
        # Processes that are not our children: daemons, successors, orphans.
        self.strays = set()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.end()

    def configure(self, text):
        """Write the configuration file."""
        (self.folder / "conf.py").write_text(text)

    @property
    def log(self):
        """All that was logged so far."""
        return self.log_file.read_text(errors="backslashreplace")

    def wait_for_log(self, text, count=1):
        """Wait until the log contains this text so often."""
        until(lambda: self.log.count(text) >= count or self._gone(text), f"{text!r} in the log")
        return self.log

    def _gone(self, text):
        if self.process.poll() is not None and self.log.count(text) == 0:
            raise AssertionError(f"the server left with {self.process.returncode}:\n{self.log}")
        return False

    @property
    def workers(self):
        """Pids of the workers."""
        return [pid for pid in process.children(self.pid) if pid not in self.templates]

    @property
    def templates(self):
        """Pids of the processes that ever loaded a preloaded application."""
        return [int(pid) for pid in re.findall(r"Booting template with pid: (\d+)", self.log)]

    def up(self, count=1):
        """Wait until the server is ready with so many workers; their pids."""
        until(lambda: "READY=1" in self.messages or self._gone("no such line"), "READY=1")
        until(lambda: len(self.workers) == count, f"{count} workers")
        until(self.answers, "an answer")
        return set(self.workers)

    @property
    def messages(self):
        """Lines that the service manager was sent."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.received += self.manager.recv(1000).decode().splitlines()
        return self.received

    def answers(self, target="/pid", address=None):
        """What the application says; None if nobody listens."""
        try:
            with Connection(address or str(self.folder / "s")) as connection:
                return connection.get(target, [("Connection", "close")]).text
        except (OSError, AssertionError):
            return None

    def connect(self, address=None):
        """Open a connection."""
        return Connection(address or str(self.folder / "s"))

    def send(self, name):
        """Send the master a signal."""
        os.kill(self.pid, getattr(signal, f"SIG{name}"))

    def replaced(self, before, count):
        """Wait until none of these workers is left and there are ``count`` others; their pids."""
        until(
            lambda: len(self.workers) == count and not before & set(self.workers),
            f"{count} new workers",
        )
        return set(self.workers)

    def exit_status(self):
        """Wait for the end."""
        return self.process.wait(20)

    def pid_in(self, name):
        """Wait for a pid file and read it; that process is ended after the test too."""
        pid = until(lambda: read_pid(self.folder / name), name)
        self.strays.add(pid)
        return pid

    def end(self):
        """End everything that was started."""
        self.manager.close()
        for pid in [*self.strays, self.pid]:
            self.strays.update(process.children(pid))
        self.strays.update(process.children(self.pid))
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in self.strays:
            if pid != self.pid and is_ours(pid):
                os.kill(pid, signal.SIGKILL)


def read_pid(path):
    """The pid in a file; None as long as there is none."""
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def is_alive(pid):
    """A process that is not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def is_ours(pid):
    """A living server process; pids are used again."""
    try:
        return is_alive(pid) and NAME.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
