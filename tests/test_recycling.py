"""max_requests, max_worker_memory, max_worker_lifetime: the replacement first, and no request lost."""

import itertools
import re
import time

import pytest

from support.load import Load
from support.master import Master
from support.source import application
from support.wait import until

SLOW_IMPORT = """
import time
time.sleep({seconds})
from process import application as app
"""


def test_no_request_is_lost_while_workers_are_renewed(start, tmp_path):
    (tmp_path / "slow.py").write_text(SLOW_IMPORT.format(seconds=0.5))
    master = start("--workers", "2", "--max-requests", "40", app="slow:app")
    before = master.up(2)
    with Load(str(master.folder / "s")) as load:
        until(lambda: not before & set(master.workers), "other workers")
        load.more()
    assert not load.failures
    assert set(load.statuses) == {200}


COUNTS = """
def post_worker_init(worker):
    print("one more", flush=True)

def worker_exit(server, worker):
    print("one less", flush=True)
"""


@pytest.mark.beyond_gunicorn
def test_recycling_costs_no_capacity(start, tmp_path):
    """Two servers of the same capacity at the same time, of which one replaces its workers all the while."""
    (tmp_path / "slow.py").write_text(SLOW_IMPORT.format(seconds=0.5))
    master = start("--workers", "2", "--max-requests", "40", app="slow:app", config=COUNTS)
    folder = tmp_path / "other"
    folder.mkdir()
    path = {"PYTHONPATH": str(tmp_path)}
    with Master(folder, "--workers", "2", app="slow:app", environment=path) as other:
        other.up(2)
        master.up(2)
        target = "/sleep/0.02"
        with Load(str(folder / "s"), target) as without, Load(str(tmp_path / "s"), target) as load:
            master.wait_for_log("one less", 4)
            share = len(load.answers) / len(without.answers)
            changes = [line for line in master.log.splitlines() if line.startswith("one ")]
    assert not load.failures
    assert set(load.statuses) == {200}
    # Without a replacement that comes first a worker is away for more than 0.5 s after 0.8 s of service.
    assert share >= 0.8
    counts = list(itertools.accumulate(1 if line == "one more" else -1 for line in changes))
    assert min(counts[2:]) >= 2


@pytest.mark.beyond_gunicorn
@pytest.mark.parametrize("threads", [1, 3])
def test_the_replacement_is_ready_before_the_old_one_leaves(start, tmp_path, threads):
    (tmp_path / "slow.py").write_text(SLOW_IMPORT.format(seconds=1))
    master = start("--max-requests", "10", "--threads", threads, app="slow:app")
    (first,) = master.up(1)
    with Load(str(master.folder / "s"), clients=2) as load:
        until(lambda: first not in master.workers, "another worker")
        load.more()
    assert not load.failures
    # The import took a second, and nobody waited for it.
    assert load.slowest < 0.9
    by_first = sum(answer.text == str(first) for answer in load.answers)
    assert by_first > 10
    assert "Autorestarting worker after current request." in master.log
    assert "Death of" not in master.log


@pytest.mark.beyond_gunicorn
def test_a_replacement_that_cannot_boot_leaves_the_old_worker_serving(start, tmp_path):
    module = tmp_path / "half.py"
    module.write_text("from process import application as app\n")
    master = start("--max-requests", "10", app="half:app")
    (first,) = master.up(1)
    module.write_text("raise RuntimeError('half deployed')\n")
    with Load(str(master.folder / "s"), clients=1, pause=0.005) as load:
        master.wait_for_log("A replacement worker could not boot; 1 serving.", 2)
        load.more()
        assert {answer.text for answer in load.answers} == {str(first)}
        module.write_text("from process import application as app\n")
        until(lambda: first not in master.workers, "another worker")
        load.more()
    assert not load.failures


@pytest.mark.beyond_gunicorn
def test_a_worker_that_has_grown_is_replaced(start, tmp_path):
    code = """
    if path == "/grow":
        app.hoard = os.urandom(150_000_000)
    text = str(os.getpid())
    """
    (tmp_path / "grows.py").write_text(application(code, before="import os\n"))
    master = start("--max-worker-memory", "150M", app="grows:app")
    (first,) = master.up(1)
    time.sleep(1.2)  # longer than the worker takes between two looks at its memory
    assert list(master.workers) == [first]
    with master.connect() as connection:
        connection.get("/grow")
        until(lambda: first not in master.workers, "another worker")
        assert re.search(
            r"it has \d+ MiB of memory, more than its limit of 1[34]\d MiB", master.log
        )
    assert master.answers()


@pytest.mark.over("sync", "gthread", reason="it loads for as long as workers live here")
@pytest.mark.beyond_gunicorn
def test_a_worker_that_is_old_is_replaced(start):
    master = start("--max-worker-lifetime", "1", "--workers", "2")
    before = master.up(2)
    with Load(str(master.folder / "s"), clients=2, pause=0.002) as load:
        master.replaced(before, 2)
        load.more()
    assert not load.failures
    assert "s old (max_worker_lifetime)." in master.log


@pytest.mark.beyond_gunicorn
@pytest.mark.parametrize("value", ["12X", "-1", "much"])
def test_a_memory_limit_that_is_none(start, value):
    master = start(f"--max-worker-memory={value}")
    assert master.exit_status() == 1
    assert "max_worker_memory cannot be" in master.log
    assert "512M" in master.log
