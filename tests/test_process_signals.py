"""What the master and its workers do on each signal, alone and one after the other."""

import contextlib
import os
import re
import signal
import socket
import time

import pytest

from support import process
from support.client import message
from support.master import is_alive
from support.server import IS_GUNICORN, WORKER
from support.wait import until


def busy(master, target):
    """A connection whose request is in the application."""
    master.up(1)
    connection = master.connect()
    connection.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    master.wait_for_log(f"begun {target}")
    return connection


def test_term_finishes_the_request_in_flight(start):
    master = start()
    connection = busy(master, "/sleep/1")
    master.send("TERM")
    assert connection.receive().text == "slept"
    assert master.exit_status() == 0
    assert "[INFO] Handling signal: term" in master.log
    assert "[INFO] Shutting down: Master" in master.log
    assert not (master.folder / "s").exists()


def test_who_connects_to_a_server_that_leaves_is_refused(serve):
    """It would wait for nobody, until the last request is over, and then be cut off."""
    server = serve("clients:application", "--graceful-timeout", "60")
    with server.connect(receive_buffer=4096) as slow:
        slow.send(message("GET", "/large"))
        slow.receive_head()
        server.process.send_signal(signal.SIGTERM)
        until(lambda: is_refused(server.address), "a refusal")
        assert server.process.poll() is None, "somebody is still served"
        assert len(slow.receive_all()) == 5_000_000
    assert server.process.wait(20) == 0


def is_refused(address):
    with contextlib.suppress(ConnectionResetError):
        try:
            socket.create_connection(address).close()
        except ConnectionRefusedError:
            return True
    return False


@pytest.mark.parametrize("name", ["INT", "QUIT"])
def test_int_and_quit_do_not_wait(start, name):
    config = "def worker_int(worker): print('worker_int', flush=True)\n"
    master = start(config=config)
    connection = busy(master, "/sleep/60")
    master.send(name)
    assert master.exit_status() == 0
    assert b"slept" not in connection.receive_all()
    assert f"[INFO] Handling signal: {name.lower()}" in master.log
    assert "worker_int" in master.log


def test_int_after_term_hurries(start):
    master = start("--graceful-timeout", "60")
    busy(master, "/sleep/60")
    master.send("TERM")
    master.wait_for_log("Handling signal: term")
    master.send("INT")
    assert master.exit_status() == 0
    assert "[INFO] Quick shutdown requested" in master.log


def test_the_graceful_timeout_bounds_a_shutdown(start):
    master = start("--graceful-timeout", "1")
    connection = busy(master, "/stuck/60")
    master.send("TERM")
    assert master.exit_status() == 0
    # No answer means to a proxy that it may ask elsewhere.
    assert connection.receive_all() == b""


@pytest.mark.beyond_gunicorn
@pytest.mark.over(
    *("sync", "gevent", "eventlet", "tornado"),
    reason="a request in a thread does not keep the worker from leaving in time",
)
def test_a_worker_past_its_graceful_timeout_tells_what_it_was_doing(start):
    master = start("--graceful-timeout", "1")
    busy(master, "/stuck/60")
    master.send("TERM")
    assert master.exit_status() == 0
    # A worker whose loop is free leaves by itself in the same instant; who is stuck is killed.
    end = "SIGKILL, from the arbiter" if WORKER == "sync" else "(SIGKILL|exit code 0)"
    report = rf"Death of worker 1 \(pid:\d+\): {end}.*; was serving GET /stuck/60 from"
    assert re.search(report, master.log)
    assert ("was sent SIGKILL!" in master.log) == ("SIGKILL, from the arbiter" in master.log)


def test_ttin_and_ttou_change_the_number(start):
    config = (
        "def nworkers_changed(server, new, old): print('changed', old, new, flush=True)\n"
        "def post_worker_init(worker): print('loaded', worker.age, worker.pid, flush=True)\n"
        "loglevel = 'debug'\n"
        "workers = 2\n"
    )
    master = start(config=config)
    first = master.up(2)
    master.send("TTIN")
    more = master.up(3)
    # One of which the master does not know that it serves would be the first to leave.
    master.wait_for_log("loaded" if IS_GUNICORN else "is ready.", 3)
    assert first < more
    master.send("TTOU")
    less = master.up(2)
    # Not the smallest pid: the kernel starts over when it has used them all.
    oldest = re.search(r"loaded 1 (\d+)", master.log)[1]
    assert int(oldest) not in less, "the oldest leaves"
    master.send("TTOU")
    master.up(1)
    master.send("TTOU")
    master.wait_for_log("Handling signal: ttou", 3)
    master.up(1)
    assert [line for line in master.log.splitlines() if line.startswith("changed")] == [
        "changed None 2",
        "changed 2 3",
        "changed 3 2",
        "changed 2 1",
    ]


def test_usr1_reopens_the_log_in_every_process(start):
    master = start("--error-logfile", "error.log", "--workers", "2")
    workers = master.up(2)
    old, new = master.folder / "error.old", master.folder / "error.log"
    new.rename(old)
    master.send("USR1")
    until(lambda: new.exists() and "Handling signal: usr1" in old.read_text(), "a new log")
    # A worker that has reopened it writes its last line to the new file.
    until(lambda: all(log_of(worker) == str(new) for worker in workers), "reopened logs")
    master.send("TERM")
    assert master.exit_status() == 0
    assert "Shutting down: Master" in new.read_text()
    assert new.read_text().count("Worker exiting") == 2


def log_of(pid):
    """The log file that a process holds open; None at the moment of its exchange."""
    return next((link for link in process.open_files(pid) if "error." in link), None)


def test_winch_is_nothing_in_the_foreground(start):
    master = start("--log-level", "debug")
    workers = master.up(1)
    master.send("WINCH")
    master.wait_for_log("[DEBUG] SIGWINCH ignored. Not daemonized")
    assert set(master.workers) == workers


@pytest.mark.parametrize("name", ["KILL", "HUP", "SEGV"])
def test_a_killed_worker_is_replaced(start, name):
    master = start("--workers", "2")
    victim, other = sorted(master.up(2))
    os.kill(victim, getattr(signal, f"SIG{name}"))
    until(lambda: len(master.workers) == 2 and victim not in master.workers, "a replacement")
    assert other in master.workers
    hint = " Perhaps out of memory?" if name == "KILL" else ""
    line = f"Worker (pid:{victim}) was sent SIG{name}!{hint}\n"
    until(lambda: line in master.log, "the worker's death in the log")


def test_orphans_leave_when_the_master_is_killed(start):
    master = start("--workers", "2")
    workers = master.up(2)
    master.strays.update(workers)
    master.send("KILL")
    master.process.wait()
    until(lambda: not any(map(is_alive, workers)), "the end of the workers")
    assert master.log.count("Parent changed, shutting down: <Worker ") == 2


KILL_AT_BIRTH = """
import os, signal
from pathlib import Path
ARBITER = os.getpid()
FORKS = 100
killed = set()

def kill_newest():
    if os.getpid() != ARBITER or len(killed) == FORKS:
        return
    pid = max(map(int, Path(f"/proc/self/task/{ARBITER}/children").read_text().split()))
    if pid not in killed:
        killed.add(pid)
        os.kill(pid, signal.SIGTERM)

def on_starting(server):
    os.register_at_fork(after_in_parent=kill_newest)

def worker_exit(server, worker):
    os.write(1, b"gone\\n")

workers = FORKS
"""


@pytest.mark.beyond_gunicorn
def test_term_right_after_the_fork_always_ends_a_worker_in_good_order(start):
    """An inherited handler that swallows the signal, or dies of it, would show here."""
    master = start(config=KILL_AT_BIRTH)
    until(lambda: master.log.count("gone\n") >= 100, "100 ends", 180)
    assert "was sent SIG" not in master.log
    assert "exited with code" not in master.log
    assert "Traceback" not in master.log
    master.send("TERM")
    # The hundred that replaced them are still booting, and on a busy machine that takes its time.
    assert master.process.wait(60) == 0


@pytest.mark.beyond_gunicorn
def test_term_that_a_booting_worker_swallows_still_ends_it(start):
    config = """
import time

def post_fork(server, worker):
    print("forked", flush=True)
    try:
        time.sleep(1)
    except BaseException:
        print("swallowed", flush=True)
"""
    master = start("--graceful-timeout", "600", config=config)
    master.wait_for_log("forked")
    master.send("TERM")
    master.wait_for_log("swallowed")
    assert master.exit_status() == 0


LOADS_FOR_LONG = """
import time
print("loading", flush=True)
try:
    time.sleep(600)
except BaseException:
    print("interrupted", flush=True)
    {reaction}
from process import application
"""


@pytest.mark.beyond_gunicorn
@pytest.mark.parametrize("reaction", ["raise", "pass"])
def test_term_ends_a_worker_that_still_loads_its_application(start, tmp_path, reaction):
    """A load that takes long would have to be waited for, up to graceful_timeout, for nothing."""
    (tmp_path / "loading.py").write_text(LOADS_FOR_LONG.format(reaction=reaction))
    master = start("--graceful-timeout", "600", app="loading:application")
    master.wait_for_log("loading\n")
    master.send("TERM")
    master.wait_for_log("interrupted\n")
    assert master.exit_status() == 0
    assert "Traceback" not in master.log


def test_term_during_the_boot_of_workers(start):
    config = "import time\ndef post_worker_init(worker): time.sleep(1)\nworkers = 2\n"
    master = start(config=config)
    master.wait_for_log("Booting worker with pid", 2)
    master.send("TERM")
    assert master.exit_status() == 0
    assert master.log.count("Worker exiting") == 2


@pytest.mark.beyond_gunicorn
def test_signals_that_are_repeated_do_not_spoil_an_end_in_good_order(start):
    """A terminal sends SIGINT to the whole group, and the master passes it on."""
    master = start("--workers", "4")
    workers = master.up(4)
    os.killpg(master.pid, signal.SIGINT)
    while any(map(is_alive, workers)):
        for worker in filter(is_alive, workers):
            os.kill(worker, signal.SIGINT)
        time.sleep(0.05)
    assert master.exit_status() == 0
    assert "was sent SIG" not in master.log
