"""A memory limit for a process and its children, where this machine lets us set one."""

import contextlib
import os
from pathlib import Path


def limited(limit):
    """Make a group of at most ``limit`` bytes; its file for pids, or None where it cannot be had."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            root, limits = "/sys/fs/cgroup/memory", ["memory.limit_in_bytes"]
        elif not controllers:
            root, limits = "/sys/fs/cgroup", ["memory.max"]
        else:
            continue
        for parent in (f"{root}{path}", root):
            folder = Path(parent, f"oxicorn-test-{os.getpid()}-{os.urandom(3).hex()}")
            with contextlib.suppress(OSError):
                folder.mkdir()
                for name in limits:
                    (folder / name).write_text(str(limit))
                # Version 1 counts swap apart; version 2 has its own file for it.
                for name in ("memory.memsw.limit_in_bytes", "memory.swap.max"):
                    with contextlib.suppress(OSError):
                        (folder / name).write_text(str(limit if "memsw" in name else 0))
                return folder / "cgroup.procs"
            with contextlib.suppress(OSError):
                folder.rmdir()
    return None
