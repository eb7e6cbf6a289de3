"""What people see who start the server by hand, on a terminal of their own."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from support.command import run
from support.server import APPS, NAME, clean_environment
from support.wait import until

pytestmark = pytest.mark.beyond_gunicorn

CTRL_C = b"\x03"
LINE = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[\d+\] \[[A-Z]+\] "


class Terminal:
    """A command in the foreground of a terminal."""

    def __init__(self, folder, *arguments, environment=None):
        variables = clean_environment() | {"TERM": "xterm", "PYTHONPATH": str(APPS)}
        variables |= {"LANG": "C.UTF-8", **(environment or {})}
        for name in "NO_COLOR", "FORCE_COLOR":
            variables.setdefault(name, "")
        command = [sys.executable, "-m", NAME, *arguments]
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            # Whoever runs the tests in the background ignores it, and that is inherited.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.chdir(folder)
            os.execve(command[0], command, variables)
        self.output = ""

    def read(self):
        """Everything that was shown so far."""
        while select.select([self.screen], [], [], 0)[0]:
            try:
                data = os.read(self.screen, 65536)
            except OSError:  # the last process has closed the terminal
                break
            if not data:
                break
            self.output += data.decode()
        return self.output

    def shows(self, text):
        """Wait until this was shown."""
        until(lambda: text in self.read(), f"{text!r} on the terminal")

    def press(self, keys):
        """Type."""
        os.write(self.screen, keys)

    def end(self):
        """Wait for the end of the command; its status."""
        ended = until(lambda: self.read() is None or self._reap(), "the end of the command")
        self.read()
        return os.waitstatus_to_exitcode(ended[1])

    def _reap(self):
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return (pid, status) if pid else None

    def close(self):
        """Hang up."""
        os.close(self.screen)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
            os.kill(self.pid, 9)


@pytest.fixture
def terminal(tmp_path):
    """Start a command on a terminal: ``terminal(*arguments, environment=...)``."""
    with contextlib.ExitStack() as open_terminals:

        def start(*arguments, **options):
            one = Terminal(tmp_path, *arguments, **options)
            open_terminals.callback(one.close)
            return one

        yield start


def serve(terminal, *arguments, **options):
    """Start a server and wait until all is shown."""
    one = terminal("--bind", "127.0.0.1:0", *arguments, "process:application", **options)
    one.shows("Booting worker")
    return one


def plain(text):
    """The text without colours."""
    return re.sub(r"\x1b\[[\d;]*m", "", text).replace("\r\n", "\n")


def test_the_banner_says_what_is_served_where_and_how_to_stop(terminal):
    one = serve(terminal, "--workers", "2", "--threads", "1")
    lines = plain(one.output).splitlines()
    assert re.fullmatch(r"oxicorn \S+ serves process:application", lines[0])
    assert re.fullmatch(r"  http://127\.0\.0\.1:\d+", lines[1])
    facts = ["sync", "2 workers \N{MULTIPLICATION SIGN} 1 thread", f"pid {one.pid}"]
    assert lines[2].strip().split(" · ") == [*facts, "Ctrl-C to stop"]
    assert re.fullmatch(LINE + r"Booting worker with pid: \d+", lines[3])
    for line in ("Starting oxicorn", "Listening at", "Using worker"):
        assert line not in one.output


def test_levels_are_coloured(terminal):
    assert "[\x1b[32mINFO\x1b[0m]" in serve(terminal).output


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_can_be_turned_off(terminal, environment):
    one = serve(terminal, environment=environment)
    assert "\x1b" not in one.output
    assert "Ctrl-C to stop" in one.output


def test_a_terminal_without_unicode_gets_a_banner_too(terminal):
    one = serve(terminal, environment={"PYTHONIOENCODING": "ascii", "NO_COLOR": "1"})
    assert "sync - 1 worker x 1 thread - pid" in one.output


@pytest.mark.parametrize("arguments", [["--log-level", "warning"], ["--log-file", "log"]])
def test_no_banner_where_no_lines_were(terminal, arguments):
    one = terminal("--bind", "unix:s", *arguments, "--pid", "pid", "process:application")
    folder = f"/proc/{one.pid}/cwd"
    until(lambda: os.path.exists(f"{folder}/s"), "the socket")
    one.press(CTRL_C)
    assert one.end() == 0
    assert one.output.replace("^C", "").strip() == ""


@pytest.mark.parametrize("workers", [1, 4])
def test_ctrl_c_is_quick_and_clean(terminal, workers):
    one = serve(terminal, "--workers", str(workers))
    until(lambda: one.read().count("Booting worker") == workers)
    before = time.monotonic()
    one.press(CTRL_C)
    assert one.end() == 0
    assert time.monotonic() - before < 3
    assert "Traceback" not in one.output
    # The line after "^C" is written over it.
    assert "^C\r" in one.output and "^C\r\n" not in one.output
    assert plain(one.output).rstrip().endswith("Shutting down: Master")


def test_ctrl_c_during_the_start_leaves_no_traceback(terminal, tmp_path):
    slow = "import time\nprint('reading', flush=True)\ntime.sleep(60)\n"
    (tmp_path / "conf.py").write_text(slow)
    one = terminal("-c", "conf.py", "process:application")
    one.shows("reading")
    one.press(CTRL_C)
    assert one.end() == 130
    assert "Traceback" not in one.output


def test_help_is_wrapped_to_the_terminal(terminal):

    one = terminal("--help")
    fcntl.ioctl(one.screen, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 80, 0, 0))
    assert one.end() == 0
    assert max(len(line) for line in plain(one.output).splitlines()) <= 80


def start_off_terminal(tmp_path, environment):
    """The first lines of a server whose output is no terminal."""
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", NAME, "-b", "127.0.0.1:0", "process:application"],
            stdout=log,
            stderr=log,
            env=clean_environment() | {"PYTHONPATH": str(APPS), **environment},
            cwd=tmp_path,
        )
    try:
        until(lambda: "Booting worker" in (tmp_path / "log").read_text())
    finally:
        process.terminate()
        process.wait(10)
    return (tmp_path / "log").read_text().splitlines()


def test_off_a_terminal_the_lines_are_gunicorns(tmp_path):
    lines = start_off_terminal(tmp_path, {})
    for line, text in zip(
        lines,
        [
            r"Starting oxicorn \S+",
            r"Listening at: http://127\.0\.0\.1:\d+ \(\d+\)",
            "Using worker: sync",
            r"Booting worker with pid: \d+",
        ],
        strict=False,
    ):
        assert re.fullmatch(LINE + text, line)


def test_colours_can_be_forced(tmp_path):
    lines = start_off_terminal(tmp_path, {"FORCE_COLOR": "1"})
    assert "[\x1b[32mINFO\x1b[0m] Starting oxicorn" in lines[0]


def test_help_off_a_terminal_has_a_line_for_each_flag(tmp_path):
    flags = [line for line in run(tmp_path, "--help").stdout.splitlines() if " --" in line]
    assert all("  " in line.strip() for line in flags)
