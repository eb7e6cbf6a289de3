"""SIGHUP: new settings, new code, and what happens when they do not work."""

import os
import signal
import threading

import pytest

from support.client import Connection
from support.source import application
from support.wait import until


def write_app(folder, answer):
    (folder / "site_app.py").write_text(application(f"text = {answer!r}"))


@pytest.fixture
def site(start, tmp_path):
    """A server whose application is a file in its folder, answering ``v1``."""

    def site(*arguments, **options):
        write_app(tmp_path, "v1")
        return start(*arguments, app="site_app:app", **options)

    return site


def test_hup_replaces_the_workers_and_forgets_adjustments(start):
    master = start("--workers", "2")
    master.up(2)
    master.send("TTIN")
    before = master.up(3)
    master.send("HUP")
    master.replaced(before, 2)
    master.send("TERM")
    assert master.exit_status() == 0
    assert "[INFO] Handling signal: hup\n" in master.log
    assert "[INFO] Hang up: Master\n" in master.log


def test_hup_loads_new_code(site):
    master = site()
    before = master.up(1)
    assert master.answers() == "v1"
    write_app(master.folder, "version 2")
    master.send("HUP")
    master.replaced(before, 1)
    assert master.answers() == "version 2"


def test_hup_reads_the_settings_again(start):
    config = (
        "workers = 1\nraw_env = ['KEPT=1', 'GONE=1']\ndef on_reload(server): print('on_reload')\n"
    )
    master = start(config=config)
    before = master.up(1)
    assert master.answers("/env/GONE") == "1"
    master.configure("workers = 2\nraw_env = ['KEPT=2']\n")
    master.send("HUP")
    master.replaced(before, 2)
    assert master.answers("/env/KEPT") == "2"
    assert master.answers("/env/GONE") == "<missing>"


def test_hup_moves_to_another_address_and_keeps_the_common_one(start):
    config = "bind = ['unix:s', 'unix:old']\n"
    master = start(config=config, bind=None)
    before = master.up(1)
    master.configure("bind = ['unix:s', 'unix:new']\n")
    master.send("HUP")
    master.replaced(before, 1)
    assert master.answers(address=str(master.folder / "new"))
    assert master.answers()
    assert master.answers(address=str(master.folder / "old")) is None


@pytest.mark.beyond_gunicorn
@pytest.mark.parametrize(
    "broken",
    ["workers = 'zz'\n", "def f(:\n", "raise SystemExit(7)\n", "bind = 'unix:/no/such/s'\n"],
)
def test_unusable_settings_change_nothing(start, broken):
    master = start(config="workers = 2\nraw_env = ['KEPT=1']\nbind = 'unix:s'\n", bind=None)
    before = master.up(2)
    master.configure(broken)
    master.send("HUP")
    master.wait_for_log("The old configuration stays.")
    assert set(master.workers) == before
    # What is forked later gets the old settings as well.
    master.send("TTIN")
    until(lambda: len(master.workers) == 3, "a third worker")
    assert master.answers("/env/KEPT") == "1"
    master.configure("workers = 1\nbind = 'unix:s'\n")
    master.send("HUP")
    master.replaced(before, 1)


@pytest.mark.beyond_gunicorn
def test_an_on_reload_hook_that_raises_calls_the_reload_off(start):
    master = start(config="")
    before = master.up(1)
    master.configure("def on_reload(server): raise RuntimeError('not today')\n")
    master.send("HUP")
    master.wait_for_log("RuntimeError: not today")
    assert set(master.workers) == before


@pytest.mark.beyond_gunicorn
@pytest.mark.parametrize(
    "code", ["raise RuntimeError('broken')", "app = None", "import os; os._exit(9)"]
)
def test_new_code_that_cannot_boot_leaves_the_old_workers_serving(site, code):
    master = site(config="workers = 2\n")
    before = master.up(2)
    (master.folder / "site_app.py").write_text(code)
    master.configure("workers = 5\n")
    master.send("HUP")
    master.wait_for_log("Reload called off: new worker")
    assert set(master.workers) == before
    assert master.answers() == "v1"

    write_app(master.folder, "version 3")
    master.send("HUP")
    master.replaced(before, 5)
    assert master.answers() == "version 3"


@pytest.mark.beyond_gunicorn
def test_replacements_that_cannot_boot_do_not_end_a_serving_server(site):
    master = site("--workers", "2")
    workers = master.up(2)
    (master.folder / "site_app.py").write_text("raise RuntimeError('half deployed')")
    os.kill(min(workers), signal.SIGTERM)
    master.wait_for_log("A replacement worker could not boot; 1 serving.", 2)
    assert master.answers() == "v1"
    write_app(master.folder, "v4")
    until(lambda: len(master.workers) == 2, "a replacement")


def test_no_request_is_lost_under_reloads(start):
    master = start("--workers", "2")
    before = master.up(2)
    stop = threading.Event()
    failures, answers = [], []

    def ask():
        while not stop.is_set():
            try:
                with Connection(str(master.folder / "s")) as connection:
                    answers.append(connection.get("/pid", [("Connection", "close")]).status)
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        master.send("HUP")
        before = master.replaced(before, 2)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert set(answers) == {200}


def test_reloads_may_overlap(start):
    master = start("--workers", "2")
    before = master.up(2)
    for count in range(1, 6):
        master.send("HUP")
        master.wait_for_log("Hang up: Master", count)
    after = master.replaced(before, 2)
    assert after
    master.send("TERM")
    assert master.exit_status() == 0


def test_term_during_a_reload(start):
    config = "import time\ndef post_worker_init(worker): time.sleep(0.5)\n"
    master = start(config=config)
    master.up(1)
    master.send("HUP")
    master.wait_for_log("Booting worker with pid", 2)
    master.send("TERM")
    assert master.exit_status() == 0
    assert master.workers == []
