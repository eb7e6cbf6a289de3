"""What /proc says about a process."""

import contextlib
import os
from pathlib import Path


def children(pid):
    """The pids of the direct children."""
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def rss(pid):
    """Resident memory in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no VmRSS")


def open_files(pid):
    """What its descriptors are links to; one that is closed meanwhile may be missing."""
    links = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return links


def keepers(session):
    """The processes that hold the descriptors of workers, in a session."""
    return [pid for pid in pids() if stat(pid) == ("oxicorn-keeper", session)]


def sleeps(pid):
    """Whether none of its threads has anything to do."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return all(") S " in (task / "stat").read_text() for task in tasks)


def is_stopped(pid):
    """Whether SIGSTOP has reached all of its threads: they go on for a moment after it was sent."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return all(") T " in (task / "stat").read_text() for task in tasks)


def pids():
    """All there are."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def stat(pid):
    """Name and session of a process that is not dead."""
    try:
        name, rest = Path(f"/proc/{pid}/stat").read_text().split("(", 1)[1].rsplit(") ", 1)
    except (FileNotFoundError, ProcessLookupError):
        return None, None
    state, _parent, _group, session = rest.split()[:4]
    return (name, int(session)) if state != "Z" else (None, None)
