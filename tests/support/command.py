"""Run the command to its end: for everything that is decided before a socket is opened."""

import subprocess
import sys

from .server import NAME, clean_environment


def run(folder, *arguments, environment=None):
    """Run the command in a folder; the finished process with its status and what it printed."""
    return subprocess.run(
        [sys.executable, "-m", NAME, *arguments],
        cwd=folder,
        env=clean_environment() | {"PYTHONDONTWRITEBYTECODE": "1", **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )


def settings(folder, *arguments, environment=None):
    """What ``--print-config`` prints, by name."""
    finished = run(folder, "--print-config", *arguments, environment=environment)
    assert finished.returncode == 0, finished.stderr
    lines = (line.split(" = ", 1) for line in finished.stdout.splitlines())
    return {name.strip(): value for name, value in lines}
