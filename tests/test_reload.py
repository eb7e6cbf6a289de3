"""``--reload``: workers that leave when their code changes, and what is served while it is broken."""

from pathlib import Path

import pytest

from support.process import children
from support.source import application
from support.wait import until

ANSWER = """
if path == "/late":
    import late
    text = late.TEXT
else:
    text = stock.TEXT
text = f"{text} {os.getpid()}"
"""
SHOP = application(ANSWER, before="import os, stock\n")
ENGINES = ["auto", "poll", "inotify"]


@pytest.fixture
def folder(tmp_path):
    """A folder with an application in two modules."""
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "stock.py").write_text("TEXT = 'old'\n")
    return tmp_path


@pytest.fixture
def develop(start):
    """Start a server that reloads."""

    def develop(*arguments, ready=True, **options):
        server = start("--reload", *arguments, app="shop:app", **options)
        if ready:
            server.up()
        return server

    return develop


def says(server, text, target="/"):
    """Whether the application's answer has this text."""
    return text in (server.answers(target) or "")


def wait_until_says(server, text):
    until(lambda: says(server, text), f"the answer {text!r}")


def save(path, text):
    """Replace a file as editors do: under another name, then renamed."""
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").rename(path)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_changed_module_brings_a_new_worker(develop, folder, engine):
    hook = "def worker_int(worker):\n    worker.log.info('leaving: %s', worker.pid)\n"
    server = develop("--reload-engine", engine, config=hook)
    (before,) = server.workers
    (folder / "stock.py").write_text("TEXT = 'newer'\n")
    wait_until_says(server, "newer")
    assert f"Worker reloading: {folder}/stock.py modified" in server.log
    assert f"leaving: {before}" in server.log
    assert f"[{before}] [INFO] Worker exiting (pid: {before})" in server.log
    assert before not in server.workers
    assert "Reloader is on. Use in development only!" in server.log


@pytest.mark.parametrize("engine", ENGINES)
def test_saving_by_renaming_is_a_change(develop, folder, engine):
    server = develop("--reload-engine", engine)
    save(folder / "shop.py", SHOP.replace("stock.TEXT", "'renamed'"))
    wait_until_says(server, "renamed")


def test_each_save_is_noticed_without_a_pause(develop, folder):
    server = develop()
    for number in range(5):
        save(folder / "stock.py", f"TEXT = 'number {number}'\n")
        wait_until_says(server, f"number {number}")
    assert "died" not in server.log


def test_a_module_that_is_imported_later_is_watched(develop, folder):
    (folder / "late.py").write_text("TEXT = 'first'\n")
    server = develop()
    until(lambda: says(server, "first", "/late"))

    def changed():
        # Again and again: what was never seen is recorded first.
        save(folder / "late.py", "TEXT = 'second'\n")
        return says(server, "second", "/late")

    until(changed, "the second text")


@pytest.mark.parametrize("engine", ENGINES)
def test_extra_files_and_patterns_are_watched(develop, folder, engine):
    (folder / "settings.ini").write_text("a = 1\n")
    extra = ("--reload-extra-file", "settings.ini", "--reload-extra-file", "pages/**/*.html")
    server = develop("--reload-engine", engine, *extra)
    (folder / "settings.ini").write_text("a = 2\n")
    server.wait_for_log("Worker reloading: settings.ini modified")

    page = folder / "pages" / "deep" / "index.html"
    page.parent.mkdir(parents=True)

    def changed():
        save(page, "text\n")
        return "Worker reloading: pages/deep/index.html modified" in server.log

    until(changed, "the reload for a page")


def test_the_target_of_a_link_is_watched(develop, folder):
    (folder / "real").mkdir()
    (folder / "stock.py").rename(folder / "real" / "stock.py")
    (folder / "stock.py").symlink_to("real/stock.py")
    server = develop("--reload-engine", "inotify")
    save(folder / "real" / "stock.py", "TEXT = 'through the link'\n")
    wait_until_says(server, "through the link")


def test_every_worker_reloads(develop, folder):
    server = develop("--workers", "2", ready=False)
    before = server.up(2)
    (folder / "stock.py").write_text("TEXT = 'newer'\n")
    server.replaced(before, 2)


@pytest.mark.beyond_gunicorn
def test_a_syntax_error_is_shown_until_it_is_mended(develop, folder):
    server = develop()
    (folder / "stock.py").write_text("TEXT = (\n")
    wait_until_says(server, "SyntaxError")
    with server.connect() as connection:
        answer = connection.get("/any")
    assert answer.status == 500
    assert answer.header("Content-Type").startswith("text/plain")
    assert f'File "{folder}/stock.py", line 1' in answer.text
    assert "SyntaxError" in server.log
    (folder / "stock.py").write_text("TEXT = 'mended'\n")
    wait_until_says(server, "mended")


@pytest.mark.beyond_gunicorn
def test_a_syntax_error_at_start_may_be_mended_in_the_importer(develop, folder):
    (folder / "stock.py").write_text("TEXT = (\n")
    server = develop()
    assert says(server, "SyntaxError")
    save(folder / "shop.py", SHOP.replace(", stock", "").replace("stock.TEXT", "'without'"))
    wait_until_says(server, "without")


def test_other_mistakes_stop_the_server(develop, folder):
    (folder / "stock.py").write_text("import nowhere\n")
    assert develop(ready=False).exit_status() == 3


def test_the_rest_of_the_project_does_not_matter(develop, folder):
    server = develop()
    before = server.workers
    (folder / "notes.txt").write_text("unrelated")
    save(folder / "unused.py", "")
    # It would be noticed together with this one.
    (folder / "stock.py").write_text("TEXT = 'newer'\n")
    wait_until_says(server, "newer")
    assert server.log.count("Worker reloading") == 1
    assert server.workers != before


@pytest.mark.over("sync", reason="other classes have threads of their own")
def test_without_the_flag_nothing_is_watched(start, folder):
    server = start(app="shop:app")
    server.up()
    assert "Reloader" not in server.log
    (worker,) = children(server.pid)
    # Only the core's own threads beside the main one, which no Python code runs in.
    names = [task.read_text() for task in Path(f"/proc/{worker}/task").glob("*/comm")]
    assert len([name for name in names if not name.startswith("oxicorn-")]) == 1, names
