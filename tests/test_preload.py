"""``preload_app``: one process loads the application, all workers share it, and a reload renews it."""

import os
import re
import signal
import time

import pytest

from support import process
from support.load import Load
from support.source import application
from support.wait import until

pytestmark = pytest.mark.beyond_gunicorn


def write_site(folder, answer, seconds=0):
    before = f"import os, time\ntime.sleep({seconds})\nLOADED_BY = os.getpid()\n"
    code = f'text = f"{answer} {{LOADED_BY}} {{os.getppid()}}"'
    (folder / "site_app.py").write_text(application(code, before))


@pytest.fixture
def site(start, tmp_path):
    """A server that preloads ``site_app.py``, which answers ``v1``, its loader and its parent."""

    def site(*arguments, **options):
        write_site(tmp_path, "v1")
        return start("--preload", *arguments, app="site_app:app", **options)

    return site


def test_workers_share_what_one_process_has_loaded(site):
    master = site("--workers", "2")
    master.up(2)
    template = master.templates[0]
    assert {master.answers() for _ in range(10)} == {f"v1 {template} {master.pid}"}
    assert process.children(template) == []
    master.send("TERM")
    assert master.exit_status() == 0
    assert not os.path.exists(f"/proc/{template}")


def test_a_reload_renews_the_application_and_nobody_waits(site, tmp_path):
    master = site("--workers", "2")
    before = master.up(2)
    old = master.templates[0]
    write_site(tmp_path, "v2", seconds=1)
    with Load(str(tmp_path / "s"), clients=4, pause=0.005) as load:
        master.send("HUP")
        master.replaced(before, 2)
        load.more()
    assert not load.failures
    assert load.slowest < 0.9  # nobody waited for the import
    assert load.answers[-1].text.startswith("v2")
    until(lambda: not os.path.exists(f"/proc/{old}"), "the end of the old template")
    assert len(process.children(master.pid)) == 3


def test_broken_code_is_not_noticed_and_mended_code_is_taken(site, tmp_path):
    master = site("--workers", "2")
    before = master.up(2)
    (tmp_path / "site_app.py").write_text("raise KeyError('broken')")
    with Load(str(tmp_path / "s"), clients=4, pause=0.005) as load:
        master.send("HUP")
        master.wait_for_log("Reload called off: the new template process")
        load.more()
        assert "KeyError: 'broken'" in master.log
        assert set(master.workers) == before
        assert {answer.text.split()[0] for answer in load.answers} == {"v1"}
        write_site(tmp_path, "v2")
        master.send("HUP")
        master.replaced(before, 2)
        load.more()
    assert not load.failures
    assert load.answers[-1].text.startswith("v2")


def test_many_reloads_leave_nothing_behind(site, tmp_path):
    master = site()
    before = master.up(1)
    held = len(os.listdir(f"/proc/{master.pid}/fd"))
    for count in range(5):
        write_site(tmp_path, f"v{count + 2}")
        master.send("HUP")
        before = master.replaced(before, 1)
        until(lambda: len(process.children(master.pid)) == 2, "one template, one worker")
    until(lambda: (master.answers() or "").startswith("v6"), "the last code")
    assert len(os.listdir(f"/proc/{master.pid}/fd")) == held


def test_a_dead_template_is_replaced_while_its_workers_serve(site):
    master = site("--workers", "2")
    before = master.up(2)
    os.kill(master.templates[0], signal.SIGKILL)
    master.wait_for_log("was sent SIGKILL; its workers serve on")
    master.wait_for_log("The application is loaded in the template process", 2)
    assert set(master.workers) == before
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    master.replaced(before, 2)
    new = master.templates[1]
    until(lambda: f" {new} " in (master.answers() or ""), "the answer of a worker of the new one")


def test_hooks_of_workers_run_beside_the_application(site, tmp_path):
    config = (
        "import os, sys\n"
        "def say(hook, worker=None):\n"
        "    print(hook, os.getpid(), 'site_app' in sys.modules, getattr(worker, 'mine', None), "
        "flush=True)\n"
        "def when_ready(server): say('when_ready')\n"
        "def pre_fork(server, worker):\n"
        "    worker.mine = len(server.WORKERS)\n"
        "    say('pre_fork', worker)\n"
        "def post_fork(server, worker): say('post_fork', worker)\n"
        "def child_exit(server, worker): say('child_exit', worker)\n"
    )
    master = site(config=config)
    (worker,) = master.up(1)
    (template,) = master.templates
    assert f"when_ready {master.pid} False None\n" in master.log
    assert f"pre_fork {template} True 0\n" in master.log
    assert f"post_fork {worker} True 0\n" in master.log
    os.kill(worker, signal.SIGTERM)
    master.wait_for_log(f"child_exit {template} True 0\n")


def test_a_hook_that_fails_ends_the_server(site):
    config = "def pre_fork(server, worker): raise ValueError('no fork')\n"
    master = site(config=config)
    assert master.exit_status() == 255
    assert master.log.count("ValueError: no fork") == 1
    assert process.children(master.pid) == []


def test_hooks_may_set_the_number_of_workers(site):
    config = (
        "def pre_fork(server, worker):\n    if server.num_workers == 1: server.num_workers = 2\n"
    )
    master = site(config=config)
    until(lambda: len(master.workers) == 2, "two workers")
    master.send("TTIN")
    until(lambda: len(master.workers) == 3, "three workers")


def test_nobody_is_left_when_the_master_is_killed(site):
    master = site("--workers", "2")
    pids = {*master.up(2), *master.templates}
    master.strays |= pids
    os.kill(master.pid, signal.SIGKILL)
    master.process.wait()
    until(lambda: not [pid for pid in pids if alive(pid)], "the end of all processes")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return ") Z " not in stat.read()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_an_upgrade_goes_on_with_templates(site, tmp_path):
    master = site("--pid", "pid")
    master.up(1)
    with Load(str(tmp_path / "s"), clients=2, pause=0.005) as load:
        master.send("USR2")
        new = master.pid_in("pid.2")
        until(lambda: len(process.children(new)) == 2, "the new template and its worker")
        write_site(tmp_path, "v2")
        master.send("TERM")
        assert master.exit_status() == 0
        os.kill(new, signal.SIGHUP)
        until(
            lambda: load.answers[-1].text.startswith("v2"),
            "the new code",
        )
    assert not load.failures


def test_what_is_no_longer_listened_on_refuses(site, tmp_path):
    master = site(bind=None, config="bind = ['unix:s', 'unix:old']\n")
    before = master.up(1)
    assert master.answers(address=str(tmp_path / "old")) is not None
    master.configure("bind = ['unix:s']\n")
    master.send("HUP")
    master.replaced(before, 1)
    until(lambda: master.answers(address=str(tmp_path / "old")) is None, "a refusal")


def test_preloading_can_begin_and_end_with_a_reload(start, tmp_path):
    write_site(tmp_path, "v1")
    master = start(app="site_app:app", config="preload_app = False\n")
    before = master.up(1)
    assert not master.templates
    master.configure("preload_app = True\n")
    master.send("HUP")
    before = master.replaced(before, 1)
    (template,) = master.templates
    assert master.answers() == f"v1 {template} {master.pid}"
    master.configure("preload_app = False\n")
    master.send("HUP")
    (worker,) = master.replaced(before, 1)
    assert master.answers() == f"v1 {worker} {master.pid}"
    until(lambda: process.children(master.pid) == [worker], "the end of the template")


def test_changed_files_reload_all_workers(site, tmp_path):
    master = site("--reload", "--workers", "2")
    before = master.up(2)
    time.sleep(0.01)  # the time of the file has to differ
    write_site(tmp_path, "v2")
    master.replaced(before, 2)
    assert master.answers().startswith("v2")
    assert re.search(r"Reloading: .*site_app.py modified", master.log)


def test_memory_of_the_application_is_shared(site, tmp_path):
    master = site()
    text = (tmp_path / "site_app.py").read_text()
    (tmp_path / "site_app.py").write_text(text + "DATA = [str(n) for n in range(400_000)]\n")
    before = master.up(1)
    master.send("HUP")
    (worker,) = master.replaced(before, 1)
    assert master.answers() is not None
    own = sum(
        int(line.split()[1])
        for line in open(f"/proc/{worker}/smaps_rollup")
        if line.startswith("Private_")
    )
    # The list and its strings are 25 MiB; what a class imports in its workers, gevent's most of all,
    # is their own.
    assert own < 20_000
