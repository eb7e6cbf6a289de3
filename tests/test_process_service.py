"""Being a service: daemon, pid file, identity, messages to the service manager."""

import os
import pwd
import signal

import pytest

from support import process
from support.master import is_alive, read_pid
from support.wait import until

ROOT = os.geteuid() == 0


def test_the_pid_file(start):
    master = start("--pid", "pid")
    master.up(1)
    assert (master.folder / "pid").read_text() == f"{master.pid}\n"
    assert (master.folder / "pid").stat().st_mode & 0o777 == 0o644
    master.send("TERM")
    assert master.exit_status() == 0
    assert not (master.folder / "pid").exists()


@pytest.mark.parametrize("content", ["99999999\n", "", "nonsense\n"])
def test_a_stale_pid_file_is_replaced(start, tmp_path, content):
    (tmp_path / "pid").write_text(content)
    master = start("--pid", "pid")
    master.up(1)
    assert read_pid(tmp_path / "pid") == master.pid


def test_the_pid_file_of_a_living_process_is_refused(start, tmp_path):
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")
    master = start("--pid", "pid")
    assert master.exit_status() == 1
    assert f"Already running on PID {os.getpid()} (or pid file 'pid' is stale)" in master.log
    assert read_pid(tmp_path / "pid") == os.getpid()
    assert "Traceback" not in master.log


def test_a_pid_file_nowhere(start):
    master = start("--pid", "/no/such/directory/pid")
    assert master.exit_status() == 1


@pytest.fixture
def daemon(start):
    """A daemon's master, and its pid."""
    master = start(
        "--daemon",
        "--pid",
        "pid",
        "--error-logfile",
        "daemon.log",
        "--workers",
        "2",
        environment={"NOTIFY_SOCKET": ""},
    )
    assert master.exit_status() == 0, "the launcher leaves at once"
    pid = master.pid_in("pid")
    until(lambda: len(process.children(pid)) == 2, "workers")
    until(master.answers, "an answer")
    return master, pid


def test_a_daemon_has_left_the_terminal(daemon):
    master, pid = daemon
    assert os.getsid(pid) not in (os.getsid(0), pid), "in a session of its own, not leading it"
    assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)} == {"/dev/null"}
    assert master.answers("/ids").split()[2] == "022"
    assert master.log.strip().splitlines()[1:] == []


def test_winch_stops_the_workers_of_a_daemon_until_hup(daemon):
    master, pid = daemon
    log = master.folder / "daemon.log"
    os.kill(pid, signal.SIGWINCH)
    until(lambda: not process.children(pid), "the end of the workers")
    assert "[INFO] graceful stop of workers" in log.read_text()
    assert is_alive(pid)
    os.kill(pid, signal.SIGHUP)
    until(lambda: len(process.children(pid)) == 2, "new workers")
    until(master.answers, "an answer")
    os.kill(pid, signal.SIGTERM)
    until(lambda: not is_alive(pid), "the end")
    assert "Shutting down: Master" in log.read_text()
    assert not (master.folder / "pid").exists()


@pytest.mark.beyond_gunicorn  # with --initgroups it keeps the group
@pytest.mark.skipif(not ROOT, reason="only root may switch")
def test_workers_are_another_user_and_own_the_socket_file(start, tmp_path):
    nobody = pwd.getpwnam("nobody")
    for folder in [tmp_path, *list(tmp_path.parents)[:2]]:
        os.chmod(folder, 0o755)
    group = f"{nobody.pw_gid}"
    master = start("--user", "nobody", "--group", group, "--initgroups", "--error-logfile", "e.log")
    master.up(1)
    assert master.answers("/ids").split()[:2] == [str(nobody.pw_uid), group]
    owner = (tmp_path / "s").stat()
    assert (owner.st_uid, owner.st_gid) == (nobody.pw_uid, nobody.pw_gid)
    assert (tmp_path / "e.log").stat().st_uid == nobody.pw_uid
    assert os.stat(f"/proc/{master.pid}").st_uid == 0


def test_environment_for_the_application(start):
    master = start("--env", "ONE=1", "--env", "PATHLIKE=a=b")
    master.up(1)
    assert master.answers("/env/ONE") == "1"
    assert master.answers("/env/PATHLIKE") == "a=b"
    assert "/" in master.answers("/env/SERVER_SOFTWARE")


def test_process_titles(start):
    pytest.importorskip("setproctitle")
    master = start("--name", "shop")
    (worker,) = master.up(1)

    def title(pid):
        return (open(f"/proc/{pid}/cmdline").read()).rstrip("\0 ")

    until(lambda: title(master.pid).endswith(": master [shop]"), "the master's title")
    assert title(worker).endswith(": worker [shop]")


@pytest.mark.beyond_gunicorn
def test_the_service_manager_is_told(start):
    config = "import time\ndef post_worker_init(worker): time.sleep(0.3)\nworkers = 2\n"
    master = start(config=config)
    master.wait_for_log("Booting worker with pid", 2)
    assert master.messages == [], "not before the first generation is ready"
    before = master.up(2)
    assert master.messages[0] == "READY=1"
    del master.received[:]

    master.send("HUP")
    until(lambda: "READY=1" in master.messages, "the end of the reload")
    assert master.messages[0] == "RELOADING=1"
    assert master.messages[1].startswith("MONOTONIC_USEC=")
    master.replaced(before, 2)
    del master.received[:]

    master.configure("workers = 'zz'\n")
    master.send("HUP")
    until(lambda: "READY=1" in master.messages, "the end of the refused reload")
    del master.received[:]

    master.send("TERM")
    assert master.exit_status() == 0
    assert master.messages == ["STOPPING=1"]


@pytest.mark.beyond_gunicorn
def test_the_watchdog_is_fed_twice_in_its_time(start):
    master = start(environment={"WATCHDOG_USEC": "200000"})
    master.up(1)
    until(lambda: master.messages.count("WATCHDOG=1") >= 5, "five messages", 3)
