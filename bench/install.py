"""Put the servers where the comparison finds them: a venv for each peer, cargo for the floor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from peers import FLOOR, ROOT, VENVS, Server

# One framework for all servers, so that it is the same to the byte.
FRAMEWORKS = {"flask": "flask==3.1.3", "fastapi": "fastapi==0.121.0"}
FRAMEWORKS_FOLDER = VENVS / "frameworks"
INSTALL_SECONDS = 600


class NotInstalled(Exception):
    """A server is missing; the message says what to do about it."""


def program_of(server: Server, oxicorn: Path) -> Path:
    """Install the server if need be; its command, or the `bin` folder of its venv."""
    if server.own:
        if not oxicorn.is_file():
            raise NotInstalled(f"{oxicorn} does not exist: run `make build`")
        return oxicorn.absolute()
    if server.name == FLOOR:
        return _build_floor()
    return _venv_of(server) / "bin"


def install_framework(name: str) -> None:
    """Make `FRAMEWORKS_FOLDER` a place to import it from, without touching anybody's venv."""
    package = FRAMEWORKS[name]
    marker = FRAMEWORKS_FOLDER / f".{package}"
    if marker.exists():
        return
    _run([sys.executable, "-m", "venv", str(VENVS / "tools")])
    pip = str(VENVS / "tools" / "bin" / "pip")
    _run([pip, "install", "--quiet", "--upgrade", "--target", str(FRAMEWORKS_FOLDER), package])
    marker.touch()


def version_of(server: Server, program: Path) -> str:
    """The version that runs, for the report."""
    if server.name == FLOOR:
        return "-"
    if server.own:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
        return (said.stdout.split() or ["?"])[-1].strip("()")
    code = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
    said = subprocess.run(
        [program / "python", "-c", code, server.package],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return said.stdout.strip() or "?"


def _venv_of(server: Server) -> Path:
    folder = VENVS / (server.venv or server.name)
    # Written last, so that an interrupted installation is taken up again.
    marker = folder / ".installed"
    if marker.exists():
        return folder
    print(f"installing {server.name} into {folder}", file=sys.stderr, flush=True)
    _run([sys.executable, "-m", "venv", str(folder)])
    packages = [server.package, *server.with_packages]
    try:
        _run([str(folder / "bin" / "pip"), "install", "--quiet", *packages])
    except NotInstalled as error:
        hint = f"\n  {server.name} needs {server.needs}" if server.needs else ""
        raise NotInstalled(f"{error}{hint}") from None
    marker.touch()
    return folder


def _build_floor() -> Path:
    _run(["cargo", "build", "--quiet", "--release", "--package", "oxicorn-bench-floor"])
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return ROOT / target / "release" / "oxicorn-bench-floor"


def _run(command: list[str]) -> None:
    """Run an installation step; its last lines are the message if it fails."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(str(error)) from None
    if done.returncode != 0:
        last_lines = "\n    ".join(done.stdout.strip().splitlines()[-6:])
        raise NotInstalled(f"`{' '.join(command)}` failed:\n    {last_lines}")
