"""The life of workers: boot, timeouts, hooks, exit statuses, custom classes."""

import os
import re
import time

import pytest

from support.server import IS_GUNICORN, NAME
from support.wait import until

HOOKS = """
import os
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def on_starting(server): say("on_starting", len(server.LISTENERS))
def when_ready(server): say("when_ready", len(server.LISTENERS), server.num_workers)
def pre_fork(server, worker): say("pre_fork", worker.pid, worker.age)
def post_fork(server, worker): say("post_fork", worker.pid == os.getpid(), worker.booted)
def post_worker_init(worker): say("post_worker_init", callable(worker.wsgi), worker)
def worker_int(worker): say("worker_int")
def worker_exit(server, worker): say("worker_exit", worker.alive)
def child_exit(server, worker): say("child_exit", isinstance(worker.pid, int))
def nworkers_changed(server, new, old): say("nworkers_changed", new, old)
def on_exit(server): say("on_exit", server.pid == os.getpid())
"""


def said(master):
    names = "|".join(re.findall(r"def (\w+)", HOOKS)[1:])
    return [line for line in master.log.splitlines() if re.match(rf"({names})\b", line)]


def test_hooks_run_in_order_with_their_objects(start):
    master = start(config=HOOKS)
    (worker,) = master.up(1)
    master.send("TERM")
    assert master.exit_status() == 0
    assert said(master) == [
        "nworkers_changed 1 None",
        "on_starting 0",
        "when_ready 1 1",
        "pre_fork [booting] 1",
        "post_fork True False",
        f"post_worker_init True <Worker {worker}>",
        "worker_exit False",
        "child_exit True",
        "on_exit True",
    ]


@pytest.mark.parametrize(
    ("hook", "status"),
    [
        ("on_starting(server)", 1),
        ("when_ready(server)", 1),
        ("nworkers_changed(server, new, old)", 1),
        ("pre_fork(server, worker)", 255),
        ("post_fork(server, worker)", 3),
        ("post_worker_init(worker)", 3),
    ],
)
def test_a_hook_that_raises(start, hook, status):
    master = start("--pid", "pid", config=f"def {hook}: raise ValueError('hooked')\n")
    assert master.exit_status() == status
    assert "ValueError: hooked" in master.log
    assert IS_GUNICORN or not (master.folder / "pid").exists()


def test_child_exit_that_raises_ends_the_server(start):
    master = start(config="def child_exit(server, worker): raise ValueError('hooked')\n")
    (worker,) = master.up(1)
    os.kill(worker, 15)
    assert master.exit_status() in ((1, 255) if IS_GUNICORN else (1,))
    assert "ValueError: hooked" in master.log


def test_a_hook_may_change_the_number_of_workers(start):
    config = "def post_worker_init(worker): pass\ndef when_ready(server): server.num_workers = 3\n"
    start(config=config).up(3)


@pytest.mark.parametrize(
    ("application", "status", "reason"),
    [
        ("no_such_module:app", 3, "Worker failed to boot."),
        ("process:no_such_name", 4, "App failed to load."),
        ("process:time", 4, "App failed to load."),
    ],
)
def test_an_application_that_cannot_be_loaded(start, application, status, reason):
    # With several failing workers Gunicorn may fall over its own feet.
    workers = "1" if IS_GUNICORN else "2"
    master = start("--workers", workers, "--pid", "pid", app=application)
    assert master.exit_status() == status
    assert f"exited with code {status}.\n" in master.log
    assert "[ERROR] Shutting down: Master\n" in master.log
    assert f"[ERROR] Reason: {reason}\n" in master.log
    assert not (master.folder / "pid").exists()
    assert not (master.folder / "s").exists()


def test_a_start_ends_when_the_application_cannot_be_preloaded(start, tmp_path):
    (tmp_path / "broken.py").write_text("raise RuntimeError('cannot import')\n")
    master = start("--preload", "--pid", "pid", app="broken:app")
    assert master.exit_status() == 1
    assert master.log.count("Error: cannot import\n") == 1
    assert "Booting worker" not in master.log
    assert not (tmp_path / "pid").exists()
    assert not (tmp_path / "s").exists()


@pytest.mark.beyond_gunicorn
@pytest.mark.parametrize("arguments", [(), ("--preload",)])
def test_an_application_that_exits_as_it_is_loaded_is_named(start, tmp_path, arguments):
    (tmp_path / "exits.py").write_text("import sys\nsys.exit(5)\n")
    master = start(*arguments, app="exits:app")
    log = master.wait_for_log("SystemExit: 5\n")
    assert "[ERROR] The application called sys.exit(5) as it was loaded\n" in log
    assert 'exits.py", line 2, in <module>\n' in log
    if arguments:
        assert master.exit_status() == 5


@pytest.mark.over("sync", reason="a request that waits does not stop the heartbeat")
def test_a_silent_worker_is_aborted_and_replaced(start):
    config = "def worker_abort(worker): print('worker_abort', worker.alive, flush=True)\n"
    master = start("--timeout", "1", config=config)
    before = master.up(1)
    started = time.monotonic()
    with master.connect() as connection:
        connection.get("/sleep/30")
    assert time.monotonic() - started < 10
    # The client has its answer before the log has the line.
    master.wait_for_log(f"[CRITICAL] WORKER TIMEOUT (pid:{min(before)})")
    master.wait_for_log("worker_abort False")
    master.replaced(before, 1)


@pytest.mark.beyond_gunicorn
@pytest.mark.over("sync", reason="a request that waits does not stop the heartbeat")
def test_the_request_that_took_too_long_is_named(start):
    master = start("--timeout", "1")
    master.up(1)
    with master.connect() as connection:
        connection.send(b"GET /stuck/30?secret HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.receive().status == 504
    master.wait_for_log("was sent SIGKILL! Perhaps out of memory?")
    assert re.search(r"was serving GET /stuck/30\?secret from .* for 1\.\d s\.", master.log)


def test_a_slow_import_is_no_timeout(start, tmp_path):
    (tmp_path / "slow.py").write_text(
        "import time\ntime.sleep(2.5)\nfrom process import application\n"
    )
    master = start("--timeout", "1", app="slow:application")
    master.up(1)
    assert "WORKER TIMEOUT" not in master.log


def test_max_requests_renews_workers(start):
    master = start("--max-requests", "3")
    (first,) = master.up(1)
    for _ in range(20):
        master.answers()
    until(lambda: first not in master.workers, "another worker")
    assert "Worker (pid" not in master.log


@pytest.mark.beyond_gunicorn
def test_workers_that_die_at_once_are_not_forked_without_end(start, tmp_path):
    (tmp_path / "dies.py").write_text("import os\nos._exit(9)\n")
    master = start(app="dies:app")
    master.wait_for_log("workers in a row died right after their start", 3)
    deaths = master.log.count("exited with code 9.")
    assert 3 <= deaths <= 6
    master.send("TERM")
    assert master.exit_status() == 0


CUSTOM = """
import os, select
from {package}.workers.base import Worker

class Custom(Worker):
    @classmethod
    def check_config(cls, cfg, log):
        log.info("checked %s", cfg.timeout)

    def run(self):
        for listener in self.sockets:
            listener.setblocking(False)
        self.log.info("running %s %s %s", self.timeout, len(self.sockets), self)
        while self.alive and os.getppid() == self.ppid:
            self.notify()
            ready, _, _ = select.select(self.wait_fds, [], [], 0.5)
            for one in ready:
                if one is self.PIPE[0]:
                    os.read(one, 1)
                    continue
                try:
                    client, _ = one.accept()
                except BlockingIOError:
                    continue
                client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\ncustom")
                client.close()
"""


def test_a_custom_worker_class(start, tmp_path):
    (tmp_path / "custom.py").write_text(CUSTOM.format(package=NAME))
    environment = {"PYTHONPATH": str(tmp_path)}
    master = start("--worker-class", "custom.Custom", "--timeout", "9", environment=environment)
    (worker,) = master.up(1)
    assert master.answers() == "custom"
    assert "checked 9" in master.log
    assert f"running 4.5 1 <Worker {worker}>" in master.log
    before = {worker}
    master.send("HUP")
    master.replaced(before, 1)
    until(lambda: master.answers() == "custom", "an answer")
    master.send("TERM")
    assert master.exit_status() == 0
