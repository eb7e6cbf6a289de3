"""Worker classes written for Gunicorn, one's own and uvicorn's."""

import importlib.util
import os
import re
import signal
from pathlib import Path

import pytest

from support.process import children
from support.wait import until

pytestmark = [pytest.mark.beyond_gunicorn, pytest.mark.names_class]

WORKER = """
import os, signal, time
from gunicorn.workers.base import Worker
from gunicorn.http.errors import InvalidRequestLine

class Site(Worker):
    @classmethod
    def setup(cls):
        print("setup of the class", flush=True)

    @classmethod
    def check_config(cls, cfg, log):
        log.info("checked %s", cfg.threads)

    def run(self):
        for one in self.sockets:
            one.settimeout(0.1)
        while self.alive and os.getppid() == self.ppid:
            if not os.path.exists("silent"):
                self.tmp.notify()
            try:
                client, address = self.sockets[0].accept()
            except OSError:
                continue
            with client:
                self.handle(client, address)

    def handle(self, client, address):
        if b"/fault" in client.recv(1000):
            return self.handle_error(None, client, address, InvalidRequestLine("nonsense"))
        body = b"%d %d" % (os.getpid(), self.tmp.last_update() > 0)
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%b" % (len(body), body))
"""


@pytest.fixture
def custom(start, tmp_path):
    """A server with a worker class of its own."""

    def custom(*arguments, name="site_worker.Site", code=WORKER, **options):
        (tmp_path / "site_worker.py").write_text(code)
        environment = {"PYTHONPATH": f"{tmp_path}:{os.path.dirname(__file__)}/apps"}
        environment |= options.pop("environment", {})
        return start("--worker-class", name, *arguments, environment=environment, **options)

    return custom


def test_a_worker_class_of_ones_own(custom):
    master = custom("--workers", "2")
    before = master.up(2)
    assert "setup of the class\n" in master.log
    assert "[INFO] checked 1\n" in master.log
    assert "[INFO] Using worker: site_worker.Site\n" in master.log
    pid, beats = master.answers().split()
    assert int(pid) in before
    assert beats == "1"
    master.send("HUP")
    before = master.replaced(before, 2)
    master.send("TTIN")
    master.up(3)
    master.send("TTOU")
    until(lambda: len(master.workers) == 2, "one worker less")
    os.kill(max(master.workers), signal.SIGKILL)
    master.wait_for_log("was sent SIGKILL!")
    master.up(2)
    master.send("TERM")
    assert master.exit_status() == 0


def test_faults_of_its_requests_are_logged_and_answered(custom):
    master = custom()
    master.up(1)
    with master.connect() as connection:
        assert connection.get("/fault").status == 400
    assert "[WARNING] Invalid request from ip=: Invalid HTTP request line: 'nonsense'" in master.log


def test_it_is_aborted_when_its_heartbeat_ends(custom, tmp_path):
    master = custom("--timeout", "1")
    (worker,) = master.up(1)
    (tmp_path / "silent").touch()
    master.wait_for_log(f"WORKER TIMEOUT (pid:{worker})")
    (tmp_path / "silent").unlink()
    master.replaced({worker}, 1)


def distribution(folder, name, entry):
    """Install a distribution that offers a worker class."""
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[gunicorn.workers]\n{entry}\n")


@pytest.mark.parametrize("name", ["egg:sites#own", "own"])
def test_a_worker_class_by_its_entry_point(custom, tmp_path, name):
    distribution(tmp_path, "sites", "own = site_worker:Site")
    master = custom(name=name)
    (worker,) = master.up(1)
    assert master.answers().startswith(str(worker))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("egg:sites#other", "distribution 'sites' offers no 'other' in 'gunicorn.workers'"),
        ("egg:nobody#own", "distribution 'nobody' is not installed"),
        ("nothing", "no installed distribution offers 'nothing' in 'gunicorn.workers'"),
        ("site_worker.Other", "module 'site_worker' has no 'Other'"),
        ("no_such_module.Site", "No module named 'no_such_module': expected a module that is "),
        ("os.getpid", "expected a class"),
    ],
)
def test_a_worker_class_that_cannot_be_found(custom, tmp_path, name, message):
    distribution(tmp_path, "sites", "own = site_worker:Site")
    master = custom(name=name)
    assert master.exit_status() == 1
    assert f"Error: worker_class cannot be {name!r}: " in master.log
    assert message in master.log


ASGI = """
import os
async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            print(event, flush=True)
            await send({"type": f"{event}.complete"})
            if event.endswith("shutdown"):
                return
    headers = [(b"content-length", str(len(str(os.getpid()))).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""


def test_the_example_of_the_documents(start, tmp_path):
    document = Path(__file__).parent.parent / "docs/workers.md"
    examples = re.findall(r"```python\n(.*?)```", document.read_text(), re.S)
    (example,) = (one for one in examples if "TimeWorker" in one)
    (tmp_path / "site_worker.py").write_text(example)
    environment = {"PYTHONPATH": f"{tmp_path}:{os.path.dirname(__file__)}/apps"}
    arguments = ["--worker-class", "site_worker.TimeWorker", "--workers", "2"]
    master = start(*arguments, environment=environment)
    before = master.up(2)
    assert re.fullmatch(r"\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4}", master.answers())
    master.send("HUP")
    master.replaced(before, 2)
    master.send("TERM")
    assert master.exit_status() == 0
    assert "Traceback" not in master.log


SILENT = """
from gunicorn.workers.base import Worker

class Site(Worker):
    def run(self):
        while self.alive:
            self.step()
        self.log.info("left with %s", self.alive)

    def step(self):
        self.sockets[0].settimeout(0.1)
        try:
            client, _ = self.sockets[0].accept()
        except OSError:
            return
        with client:
            client.recv(1000)
            client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nup")
"""


def test_a_class_that_tells_nothing_is_taken_to_serve_after_a_while(custom, tmp_path):
    master = custom("--timeout", "2", code=SILENT)
    (worker,) = master.up(1)
    master.send("HUP")
    master.replaced({worker}, 1)
    assert "WORKER TIMEOUT" not in master.log


def test_a_worker_serves_from_its_first_heartbeat_on(custom, tmp_path):
    (tmp_path / "silent").touch()
    master = custom("--timeout", "600")
    # It answers, but whether it is ready is its own word.
    until(master.answers, "an answer")
    assert "READY=1" not in master.messages
    (tmp_path / "silent").unlink()
    until(lambda: "READY=1" in master.messages, "READY=1")


def test_a_class_that_overrides_notify_as_gunicorn_writes_it(custom, tmp_path):
    method = "    def notify(self):\n        self.tmp.notify()\n\n    def run(self):"
    master = custom(code=WORKER.replace("    def run(self):", method))
    master.up(1)
    assert master.answers().endswith(" 1")


@pytest.mark.parametrize("name", ["uvicorn_worker.UvicornWorker", "uvicorn.workers.UvicornWorker"])
def test_uvicorn_runs(start, tmp_path, name):
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        pytest.skip(f"{name} is not installed here")
    (tmp_path / "asgi_app.py").write_text(ASGI)
    master = start("--workers", "2", "--worker-class", name, app="asgi_app:application")
    before = master.up(2)
    # A worker that is told to leave before its application has started never starts it.
    master.wait_for_log("lifespan.startup\n", 2)
    assert int(master.answers()) in before
    master.send("HUP")
    after = master.replaced(before, 2)
    master.wait_for_log("lifespan.startup\n", 4)
    until(lambda: int(master.answers() or 0) in after, "an answer of a new worker")
    master.send("TERM")
    assert master.exit_status() == 0
    assert master.log.count("lifespan.shutdown\n") == 4
    assert children(master.pid) == []
    assert "Traceback" not in master.log
