"""Reload, upgrade and shutdown while clients go on asking: nobody notices."""

import contextlib
import os
import time

import pytest

from support import process
from support.client import message
from support.load import Load
from support.source import application
from support.wait import until

pytestmark = pytest.mark.beyond_gunicorn


def write_site(folder, answer, seconds=0):
    before = f"import time\ntime.sleep({seconds})\n"
    (folder / "site_app.py").write_text(application(f"text = {answer!r}", before))


def descriptors(pid):
    """Open descriptors of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def belongings(master):
    """How many processes there are of a server, and how many descriptors its arbiter and each worker have open."""
    processes = [pid for pid in process.pids() if process.stat(pid)[1] == master.pid]
    with contextlib.suppress(FileNotFoundError):  # One that ends meanwhile.
        of_workers = {descriptors(pid) for pid in master.workers}
        # They differ while one has a connection that its client has just closed.
        return len(of_workers) == 1 and (len(processes), descriptors(master.pid), of_workers)


@pytest.mark.parametrize("keep_alive", [True, False], ids=["kept", "fresh"])
def test_nobody_waits_for_a_slow_import(start, tmp_path, keep_alive):
    write_site(tmp_path, "v1", seconds=2)
    master = start("--workers", "2", app="site_app:app")
    before = master.up(2)
    write_site(tmp_path, "v2", seconds=2)
    with Load(str(tmp_path / "s"), clients=4, keep_alive=keep_alive, pause=0.002) as load:
        master.send("HUP")
        master.replaced(before, 2)
        load.more()
    assert not load.failures
    assert {answer.text for answer in load.answers} == {"v1", "v2"}
    # The import takes two seconds; nobody waited for it. 200 ms more than the slowest of a server that is left alone
    # would be the aim, but among compilers (a load of 15 on two cores) 1.13 s more were seen, once in eight runs.
    assert load.slowest < 1.5
    # Once the new code answers, both may for a while; in the end only the new one does.
    assert load.answers[-1].text == "v2"


@pytest.mark.parametrize("pause", [0.1, 0.5], ids=["in-2-s", "in-10-s"])
def test_twenty_reloads_in_a_row_leak_nothing(start, tmp_path, pause):
    write_site(tmp_path, "v1")
    master = start("--workers", "2", app="site_app:app")
    before = master.up(2)
    held = until(lambda: belongings(master), "workers that rest")
    with Load(str(tmp_path / "s"), clients=4, pause=0.005) as load:
        for count in range(20):
            write_site(tmp_path, f"v{count}")
            master.send("HUP")
            time.sleep(pause)  # an impatient operator
        write_site(tmp_path, "last")
        master.send("HUP")
        master.replaced(before, 2)
        until(lambda: load.answers[-1].text == "last" or load.failures, "the last code")
    assert not load.failures
    until(lambda: belongings(master) == held, f"no more than there was: {held}")
    master.send("TERM")
    assert master.exit_status() == 0
    assert "Death of" not in master.log


def test_one_process_more_at_a_time(start, tmp_path):
    write_site(tmp_path, "v1")
    master = start("--workers", "3", "--max-surge", "1", app="site_app:app")
    before = master.up(3)
    write_site(tmp_path, "v2", seconds=0.2)
    most = 0
    with Load(str(tmp_path / "s"), clients=4, pause=0.005) as load:
        master.send("HUP")

        def is_over():
            nonlocal most
            workers = set(master.workers)
            most = max(most, len(workers))
            return len(workers) == 3 and not before & workers

        until(is_over, "three new workers")
        load.more()
    assert not load.failures
    assert load.answers[-1].text == "v2"
    assert most == 4


def test_broken_code_is_not_noticed_and_mended_code_is_taken(start, tmp_path):
    write_site(tmp_path, "v1")
    master = start("--workers", "2", app="site_app:app")
    before = master.up(2)
    with Load(str(tmp_path / "s"), clients=4, pause=0.005) as load:
        (tmp_path / "site_app.py").write_text("raise RuntimeError('broken')")
        master.send("HUP")
        master.wait_for_log("Reload called off: new worker")
        load.more()
        assert {answer.text for answer in load.answers} == {"v1"}
        write_site(tmp_path, "v2")
        master.send("HUP")
        master.replaced(before, 2)
        load.more()
    assert not load.failures
    assert load.answers[-1].text == "v2"


def test_an_upgrade_loses_no_request(start, tmp_path):
    master = start("--workers", "2", "--pid", "pid")
    master.up(2)
    with Load(str(tmp_path / "s"), clients=4, pause=0.005) as load:
        master.send("USR2")
        new = master.pid_in("pid.2")
        until(lambda: len(process.children(new)) == 2, "the new arbiter's workers")
        load.more()
        master.send("TERM")
        assert master.exit_status() == 0
        until(lambda: (tmp_path / "pid").exists(), "the promoted arbiter's pid file")
        load.more()
    assert not load.failures
    assert set(load.statuses) == {200}


@pytest.mark.parametrize("threads", [1, 3], ids=["sync", "gthread"])
def test_term_answers_what_is_running_queued_and_about_to_come(start, threads):
    master = start("--threads", threads)
    master.up(1)
    silent = master.connect()
    kept = master.connect()
    assert kept.get("/pid").status == 200
    running = [master.connect() for _ in range(threads)]
    for connection in running:
        connection.send(message("GET", "/sleep/1"))
    master.wait_for_log("begun /sleep/1", threads)
    queued = [master.connect() for _ in range(3)]
    for connection in queued:
        connection.send(message("GET", "/pid"))
    master.send("TERM")
    for connection in (silent, kept):
        connection.send(message("GET", "/pid"))
    for connection in running:
        assert connection.receive().text == "slept"
    for connection in [*queued, silent, kept]:
        response = connection.receive()
        assert (response.status, response.header("Connection")) == (200, "close")
        assert connection.is_closed()
    assert master.exit_status() == 0
    assert "Death of" not in master.log


def test_after_term_it_serves_on_until_load_balancers_know(start):
    master = start("--drain-delay", "1")
    before = master.up(1)
    master.send("TERM")
    until(lambda: "STOPPING=1" in master.messages, "STOPPING=1")
    # New connections, too, and without a word of an end.
    with master.connect() as connection:
        response = connection.get("/pid")
        assert response.text == str(min(before))
        assert response.header("Connection") != "close"
    master.wait_for_log("Serving for 1 s more, until load balancers know.")
    assert master.exit_status() == 0
    assert master.answers() is None


@pytest.mark.parametrize("patience, is_answered", [(10_000, True), (0, False)])
def test_silent_connections_have_their_time(start, patience, is_answered):
    master = start("--first-byte-timeout", patience)
    master.up(1)
    silent = master.connect()
    running = master.connect()
    running.send(message("GET", "/sleep/1"))
    master.wait_for_log("begun /sleep/1")
    master.send("TERM")
    assert running.receive().text == "slept"
    if is_answered:
        time.sleep(1)  # longer than by default
        silent.send(message("GET", "/pid"))
        assert silent.receive().status == 200
    assert silent.is_closed()
    assert master.exit_status() == 0
