"""SIGUSR2: a new master on the same sockets."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support import process
from support.master import is_alive, read_pid
from support.server import IS_GUNICORN
from support.wait import until


@pytest.fixture
def upgraded(start):
    """An old master, and the pid of the new one that it has started."""
    master = start("--pid", "pid", "--workers", "2")
    master.up(2)
    master.send("USR2")
    new = master.pid_in("pid.2")
    assert new != master.pid
    until(lambda: len(process.children(new)) == 2, "the workers of the new master")
    return master, new


def test_both_masters_serve(upgraded):
    master, new = upgraded
    assert read_pid(master.folder / "pid") == master.pid
    everyone = {*process.children(new), *master.workers} - {new}

    def answering():
        # As many at once as there are workers: nobody can leave it to the others.
        with ThreadPoolExecutor(8) as clients:
            answers = clients.map(lambda _: master.connect().get("/sleep/0.1").pid, range(8))
            return set(answers)

    seen = set()
    until(lambda: seen.update(answering()) or seen == everyone, "an answer from every worker")


@pytest.mark.beyond_gunicorn
def test_the_new_master_is_no_likelier_to_be_killed_for_want_of_memory(upgraded):
    """Its workers are; but what an upgrade added to it, the next one would add to."""
    master, new = upgraded
    old, successor = (Path(f"/proc/{pid}/oom_score_adj").read_text() for pid in (master.pid, new))
    assert successor == old


def test_a_second_upgrade_is_refused_on_both_sides(upgraded):
    master, new = upgraded
    master.send("USR2")
    master.wait_for_log("[WARNING] USR2 signal ignored. Child exists.")
    os.kill(new, signal.SIGUSR2)
    master.wait_for_log("[WARNING] USR2 signal ignored. Parent exists.")


def test_promotion(upgraded):
    master, new = upgraded
    master.send("TERM")
    assert master.exit_status() == 0
    until(lambda: read_pid(master.folder / "pid") == new, "the plain pid file")
    assert "Master has been promoted." in master.log
    assert not (master.folder / "pid.2").exists()
    assert (master.folder / "s").exists(), "the socket file belongs to the new master now"
    assert int(master.answers("/pid")) in process.children(new)

    # And it can be upgraded in its turn.
    os.kill(new, signal.SIGUSR2)
    third = master.pid_in("pid.2")
    until(lambda: len(process.children(third)) == 2, "the third generation")
    for pid in (new, third):
        os.kill(pid, signal.SIGTERM)
        until(lambda pid=pid: not is_alive(pid), "the end of a master")
    assert IS_GUNICORN or not (master.folder / "s").exists(), "the last one removes it"


def test_going_back(upgraded):
    master, new = upgraded
    os.kill(new, signal.SIGTERM)
    until(lambda: not is_alive(new), "the end of the new master")
    until(lambda: new not in master.workers, "the old master taking note")
    assert master.answers("/pid")
    assert (master.folder / "s").exists()
    master.send("USR2")
    until(lambda: read_pid(master.folder / "pid.2") not in (None, new), "another new master")
    master.pid_in("pid.2")


def test_the_old_master_can_do_without_workers_meanwhile(upgraded):
    """The usual procedure in the foreground: TTOU down to one, later TERM."""
    master, _new = upgraded
    master.send("TTOU")
    until(lambda: len(master.workers) == 2, "one worker and the new master")
    assert master.answers("/pid")


@pytest.mark.beyond_gunicorn
def test_pre_exec_runs_and_a_failing_one_does_no_harm(start):
    config = "def pre_exec(server): raise RuntimeError('no upgrade today')\n"
    master = start(config=config)
    workers = master.up(1)
    master.send("USR2")
    master.wait_for_log("no upgrade today")
    until(lambda: set(master.workers) == workers, "only the workers")
    assert master.answers("/pid")


def test_tcp_listeners_are_handed_over(start):
    master = start("--bind", "127.0.0.1:0", "--pid", "pid")
    log = master.wait_for_log("Listening at: ")
    port = int(log.partition("http://127.0.0.1:")[2].split(" ")[0].split(",")[0])
    master.up(1)
    master.send("USR2")
    new = master.pid_in("pid.2")
    until(lambda: process.children(new), "workers of the new master")
    master.send("TERM")
    master.exit_status()
    assert int(master.answers("/pid", ("127.0.0.1", port))) in process.children(new)
