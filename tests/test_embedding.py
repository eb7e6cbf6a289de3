"""Servers inside programs: BaseApplication and Paste."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys

import pytest

from support.client import Connection
from support.process import children
from support.server import clean_environment
from support.wait import until

pytestmark = pytest.mark.beyond_gunicorn

HAS_PASTE = importlib.util.find_spec("paste") is not None
paste = pytest.mark.skipif(not HAS_PASTE, reason="PasteDeploy is not installed here")

PROGRAM = """
import sys
from oxicorn.app.base import BaseApplication
{imports}

def handler(environ, start_response):
    body = environ["PATH_INFO"].encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

class Standalone({base}):
    def __init__(self, app, options=None):
        self.options = options or {{}}
        self.application = app
        super().__init__()

    def load_config(self):
        for name, value in self.options.items():
            if name in self.cfg.settings and value is not None:
                self.cfg.set(name.lower(), value)

    def load(self):
        return self.application

if __name__ == "__main__":
    options = {{"bind": "unix:s", "workers": 2, "proc_name": "embedded", {options}}}
    Standalone(handler, options).run()
    print("never printed")
"""


class Program:
    """A program with a server in it, in a folder of its own."""

    def __init__(self, folder, *command, environment=None):
        self.folder = folder
        self.log_file = folder / "program.log"
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=clean_environment()
                | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(folder)}
                | (environment or {}),
                start_new_session=True,
            )

    @property
    def log(self):
        """All that was printed so far."""
        return self.log_file.read_text()

    @property
    def workers(self):
        """Pids of the workers."""
        return set(children(self.process.pid))

    def answer(self, target="/"):
        """What the application says, once it does."""

        def ask():
            assert self.process.poll() is None, self.log
            try:
                with Connection(str(self.folder / "s")) as connection:
                    return connection.get(target).text
            except OSError:
                return None

        return until(ask, "an answer")

    def send(self, number):
        """Send the master a signal."""
        self.process.send_signal(number)

    def exit_status(self):
        """Wait for the end."""
        return self.process.wait(20)


@pytest.fixture
def program(tmp_path):
    """Start a program: ``program("words", "of its command line")``."""
    started = []

    def program(*command, **options):
        started.append(Program(tmp_path, *command, **options))
        return started[-1]

    yield program
    for one in started:
        if one.process.poll() is None:
            one.send(signal.SIGQUIT)
            try:
                one.process.wait(10)
            except subprocess.TimeoutExpired:
                one.process.kill()
                one.process.wait()


def write_program(folder, base="BaseApplication", imports="", options=""):
    text = PROGRAM.format(base=base, imports=imports, options=options)
    (folder / "serve.py").write_text(text)


@pytest.mark.parametrize(
    ("base", "imports"),
    [
        ("BaseApplication", ""),
        ("gunicorn.app.base.BaseApplication", "import gunicorn.app.base"),
        ("WSGIApplication", "from gunicorn.app.wsgiapp import WSGIApplication"),
    ],
)
def test_a_program_serves_its_own_application(program, tmp_path, base, imports):
    write_program(tmp_path, base, imports)
    master = program("serve.py")
    assert master.answer("/hello") == "/hello"
    until(lambda: len(master.workers) == 2, "two workers")
    before = master.workers
    master.send(signal.SIGHUP)
    until(lambda: len(master.workers) == 2 and not before & master.workers, "new workers")
    assert master.answer("/hello") == "/hello"
    master.send(signal.SIGTERM)
    assert master.exit_status() == 0
    assert "never printed" not in master.log
    assert not (tmp_path / "s").exists()


def test_a_program_can_be_upgraded(program, tmp_path):
    write_program(tmp_path, options='"pidfile": "pid"')
    master = program("serve.py")
    master.answer()
    master.send(signal.SIGUSR2)
    until((tmp_path / "pid.2").exists, "the successor")
    new = int((tmp_path / "pid.2").read_text())
    try:
        until(lambda: len(children(new)) == 2, "its workers")
        master.send(signal.SIGTERM)
        assert master.exit_status() == 0
        with Connection(str(tmp_path / "s")) as connection:
            assert connection.get("/new").text == "/new"
    finally:
        os.kill(new, signal.SIGTERM)
        until(lambda: not (tmp_path / "s").exists(), "the end of the successor")


def test_a_wrong_setting_of_a_program_is_an_error_of_one_line(program, tmp_path):
    write_program(tmp_path, options='"timeout": "soon"')
    master = program("serve.py")
    assert master.exit_status() == 1
    assert master.log.startswith("Error: timeout cannot be 'soon'")
    assert len(master.log.splitlines()) == 1


def test_the_command_as_a_function(program, tmp_path):
    (tmp_path / "site_app.py").write_text(
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Length', '2')])\n"
        "    return [b'ok']\n"
    )
    (tmp_path / "serve.py").write_text("from oxicorn.app.wsgiapp import run\nrun()\n")
    master = program("serve.py", "--bind", "unix:s", "site_app:app")
    assert master.answer() == "ok"


INI = """
[app:main]
paste.app_factory = paste_app:make
greeting = hello %(who)s

[app:other]
paste.app_factory = paste_app:make
greeting = bye

[server:main]
use = egg:oxicorn#main
bind = unix:s
workers = 2
"""
LOGGING = """
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = plain
[logger_root]
level = INFO
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stdout,)
formatter = plain
[formatter_plain]
format = PLAIN %(message)s
"""
PASTE_APP = """
def make(global_config, greeting):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", str(len(greeting)))])
        return [greeting.encode()]
    return app
"""


@pytest.fixture
def site(tmp_path):
    """A folder with an application that a Paste file describes."""
    (tmp_path / "paste_app.py").write_text(PASTE_APP)
    (tmp_path / "site.ini").write_text(INI)
    return tmp_path


@paste
@pytest.mark.parametrize("flag", ["--paste", "--paster"])
def test_an_application_from_a_paste_file(program, site, flag):
    master = program(
        *("-m", "oxicorn", "--bind", "unix:s", flag, "site.ini", "--paste-global", "who=you")
    )
    assert master.answer() == "hello you"


@paste
def test_another_section_of_a_paste_file(program, site):
    master = program("-m", "oxicorn", "--bind", "unix:s", "--paste", "site.ini#other")
    assert master.answer() == "bye"


@paste
def test_a_paste_file_that_is_not_there(program, site):
    master = program("-m", "oxicorn", "--paste", "none.ini")
    assert master.exit_status() == 1
    assert master.log == f"Error: '{site / 'none.ini'}' not found\n"


@paste
def test_a_global_value_without_a_name(program, site):
    master = program("-m", "oxicorn", "--paste", "site.ini", "--paste-global", "who")
    assert master.exit_status() in (1, 3)
    assert "raw_paste_global_conf cannot contain 'who': expected NAME=VALUE" in master.log


def test_without_paste_deploy_it_says_what_to_install(program, site):
    (site / "conf.py").write_text("import sys\nsys.modules['paste.deploy'] = None\n")
    master = program("-m", "oxicorn", "-c", "conf.py", "--paste", "site.ini")
    assert master.exit_status() == 1
    assert master.log == "Error: paste needs the package PasteDeploy: pip install PasteDeploy\n"


RUN_SERVER = """
import os, sys
from paste.deploy import loadapp, loadserver
uri = "config:" + os.path.abspath("site.ini")
# As pserve does it, whose command line is none of the server's business.
loadserver(uri)(loadapp(uri, global_conf={"who": "there"}))
"""


@paste
def test_a_server_named_in_a_paste_file(program, site):
    (site / "pserve.py").write_text(RUN_SERVER)
    master = program("pserve.py", "--reload", "development.ini")
    assert master.answer() == "hello there"
    until(lambda: len(master.workers) == 2, "two workers")
    master.send(signal.SIGTERM)
    assert master.exit_status() == 0


@paste
def test_host_and_port_of_a_server_section(program, site):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (site / "conf.py").write_text("workers = 3\n")
    ini = INI.replace(
        "bind = unix:s\nworkers = 2", f"host = 127.0.0.1\nport = {port}\nconfig = conf.py"
    )
    (site / "site.ini").write_text(ini)
    (site / "pserve.py").write_text(RUN_SERVER)
    master = program("pserve.py")
    until(lambda: len(master.workers) == 3, "three workers")
    assert f"Listening at: http://127.0.0.1:{port}" in master.log
