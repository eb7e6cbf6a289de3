"""What requests cost, in what can be counted on any machine: system calls."""

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from support.master import Master
from support.wait import until

pytestmark = pytest.mark.beyond_gunicorn

STRACE = shutil.which("strace")
REQUESTS = 300

#: What watches over requests and workers, and what else can be bounded.
EVERYTHING = (
    *("--timeout", "30", "--max-requests", "1000000", "--max-worker-memory", "8G"),
    *("--max-worker-lifetime", "86400", "--first-byte-timeout", "500"),
)
NOTHING = ("--timeout", "0", "--no-handoff")


def is_traced(pid):
    """Whether somebody traces it."""
    status = Path(f"/proc/{pid}/status").read_text()
    return re.search(r"TracerPid:\t([1-9])", status) is not None


def calls_of(master, folder):
    """System calls of the thread with the loop for so many requests; not how often it waits, which is the client's doing."""
    (worker,) = master.up(1)
    file = folder / "calls"
    with master.connect() as connection:
        connection.get("/pid")
        command = [STRACE, "-o", str(file), "-p", str(worker)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as tracer:
            until(lambda: is_traced(worker) or tracer.poll() is not None, "the tracer")
            if tracer.poll() is not None:
                pytest.skip("no process can be traced here")
            for _ in range(REQUESTS):
                assert connection.get("/pid").status == 200
            tracer.send_signal(signal.SIGINT)
    names = re.findall(r"^(\w+)\(", file.read_text(), re.MULTILINE)
    return [name for name in names if not name.startswith("epoll_")]


@pytest.mark.skipif(STRACE is None, reason="strace is not installed here")
@pytest.mark.names_class
@pytest.mark.parametrize("worker_class", ["sync", "asgi"])
def test_what_watches_over_requests_costs_them_no_system_call(tmp_path, worker_class):
    counts = []
    for name, arguments in ("with", EVERYTHING), ("without", NOTHING):
        folder = tmp_path / name
        folder.mkdir()
        with Master(folder, "--worker-class", worker_class, *arguments) as master:
            counts.append(calls_of(master, folder))
    with_everything, without = counts
    assert len(without) >= 2 * REQUESTS
    # Once a second somebody looks at the clock, the memory, the parent.
    assert len(with_everything) - len(without) < 0.1 * REQUESTS
