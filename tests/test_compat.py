"""Code written for Gunicorn: what it imports."""

import os
import subprocess
import sys

import pytest

from support.server import WSGI_CLASSES

pytestmark = pytest.mark.beyond_gunicorn

#: What other packages import, and something that each module has to have.
IMPORTS = """
gunicorn: __version__ version_info SERVER SERVER_SOFTWARE
gunicorn.arbiter: Arbiter
gunicorn.app.base: BaseApplication Application
gunicorn.app.wsgiapp: WSGIApplication run
gunicorn.app.pasterapp: get_wsgi_app has_logging_config serve
gunicorn.config: Config Setting KNOWN_SETTINGS make_settings validate_string validate_callable
gunicorn.errors: HaltServer ConfigError AppImportError
gunicorn.glogging: Logger
gunicorn.http.errors: ParseException InvalidRequestLine LimitRequestHeaders NoMoreData
gunicorn.util: import_app parse_address load_class http_date close_on_exec write_error
gunicorn.workers: SUPPORTED_WORKERS
gunicorn.workers.base: Worker
gunicorn.workers.sync: SyncWorker
"""
MODULES = dict(line.split(": ") for line in IMPORTS.split("\n") if line)


def python(code, *arguments, folder=None, environment=None):
    """Run a program that has begun as one that embeds oxicorn; what it printed."""
    finished = subprocess.run(
        [sys.executable, "-c", f"import oxicorn.app.base\n{code}", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=30,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | (environment or {}),
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


@pytest.mark.parametrize("module", MODULES)
def test_modules_have_what_others_import(module):
    assert (
        python(f"from {module} import {', '.join(MODULES[module].split())}\nprint('well')")
        == "well"
    )


def test_they_are_the_same_modules():
    code = """
    import gunicorn.workers.base, gunicorn.workers, oxicorn.workers.base
    from gunicorn.workers.base import Worker
    assert gunicorn.workers.base is oxicorn.workers.base
    assert Worker is oxicorn.workers.base.Worker
    assert oxicorn.workers.base.__spec__.name == "oxicorn.workers.base"
    print(gunicorn.__version__)
    """
    assert python("\n".join(line.strip() for line in code.splitlines())) == "27.0.1"


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("gunicorn.dirty", "gunicorn.dirty cannot be imported: this version of oxicorn"),
        (
            "gunicorn.app.config_file",
            "No module named 'gunicorn.app.config_file' (oxicorn stands in",
        ),
    ],
)
def test_what_is_missing_is_named(module, message):
    code = f"try: import {module}\nexcept ImportError as error: print(error)"
    assert python(code).startswith(message)


def test_ours_is_imported_where_gunicorn_is_installed(tmp_path):
    package = tmp_path / "gunicorn"
    package.mkdir()
    (package / "__init__.py").write_text("__version__ = 'the other'\n")
    (package / "util.py").write_text("")
    code = "import gunicorn.util\nprint(gunicorn.__version__, gunicorn.util.__name__)"
    shown = python(code, environment={"PYTHONPATH": str(tmp_path)})
    assert shown == "27.0.1 oxicorn.compat.util"


def test_ours_replaces_what_a_program_has_imported_before(tmp_path):
    package = tmp_path / "gunicorn"
    package.mkdir()
    (package / "__init__.py").write_text("__version__ = 'the other'\n")
    (tmp_path / "early.py").write_text(
        "import sys, gunicorn\n"
        "from oxicorn import compat\n"
        "compat.install(replace=True)\n"
        "import gunicorn as ours\n"
        "print(gunicorn.__version__, ours.__version__)\n"
    )
    shown = subprocess.run(
        [sys.executable, "early.py"], cwd=tmp_path, capture_output=True, text=True, timeout=30
    )
    assert shown.stdout.strip() == "the other 27.0.1", shown.stderr


@pytest.mark.over(*WSGI_CLASSES, reason="the application that imports it is one for WSGI")
def test_configuration_files_and_applications_import_gunicorn(start, tmp_path):
    (tmp_path / "site_app.py").write_text(
        "from gunicorn.http.errors import InvalidHeader\n"
        "def app(environ, start_response):\n"
        "    import gunicorn\n"
        "    body = gunicorn.__version__.encode()\n"
        "    start_response('200 OK', [('Content-Length', str(len(body)))])\n"
        "    return [body]\n"
    )
    config = (
        "from gunicorn import util\nfrom gunicorn.glogging import Logger\n"
        "class SiteLogger(Logger):\n"
        "    def setup(self, cfg):\n"
        "        super().setup(cfg)\n"
        "        self.error_log.info('set up by the site')\n"
        "logger_class = SiteLogger\n"
    )
    master = start(app="site_app:app", config=config)
    master.up(1)
    assert master.answers() == "27.0.1"
    assert "set up by the site" in master.log


SETTING = """
from gunicorn.config import KNOWN_SETTINGS, Config, Setting, validate_string, validate_pos_int
class SiteName(Setting):
    name = "site_name"
    section = "Site"
    cli = ["--site-name"]
    meta = "NAME"
    validator = validate_string
    default = "none"
    desc = '''The name.

    More about it.'''
class Depth(Setting):
    name = "depth"
    section = "Site"
    validator = validate_pos_int
    default = 3
    desc = "How deep."
"""


def test_a_subclass_of_setting_is_a_new_setting():
    code = (
        SETTING + "cfg = Config()\ncfg.set('site_name', ' mine ')\n"
        "print(cfg.site_name, cfg.depth, cfg.settings['depth'].section, SiteName.short)\n"
        "print(len(KNOWN_SETTINGS) - len({known.name for known in KNOWN_SETTINGS}))\n"
        "try: cfg.set('depth', -1)\nexcept ValueError as error: print(error)\n"
        "try: cfg.depth = 4\nexcept AttributeError as error: print(error)\n"
    )
    expected = ["mine 3 Site The name.", "0", "Value must be positive: -1", "Invalid access!"]
    assert python(code).splitlines() == expected


def test_a_new_setting_has_its_flag():
    code = SETTING + (
        "from gunicorn.app.base import Application\n"
        "class Site(Application):\n"
        "    def load(self): return None\n"
        "site = Site()\nprint(site.cfg.site_name, site.cfg.workers)\n"
    )
    assert python(code, "--site-name", "here", "--workers", "3") == "here 3"


@pytest.mark.parametrize(
    ("call", "result"),
    [
        ("parse_address('127.0.0.1:80')", "('127.0.0.1', 80)"),
        ("parse_address('localhost')", "('localhost', 8000)"),
        ("parse_address('[::1]', default_port='9')", "('::1', 9)"),
        ("parse_address('unix:/s')", "/s"),
        ("is_ipv6('::1')", "True"),
        ("is_ipv6('1.2.3.4')", "False"),
        ("http_date(0)", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("to_bytestring('ä')", "b'\\xc3\\xa4'"),
        ("bytes_to_str(b'x')", "x"),
        ("get_arity(lambda a, b, *c: 0)", "2"),
        ("load_class('gunicorn.workers.sync.SyncWorker').__name__", "SyncWorker"),
        ("import_app('wsgiref.simple_server:demo_app').__name__", "demo_app"),
        ("has_fileno(object())", "False"),
    ],
)
def test_helpers(call, result):
    assert python(f"from gunicorn import util\nprint(util.{call})") == result


def test_the_error_page_of_a_custom_worker():
    code = """
import socket
from gunicorn import util
ours, theirs = socket.socketpair()
util.write_error(ours, 400, "Bad Request", "<script>")
print(theirs.recv(1000).decode())
"""
    page = python(code)
    assert page.startswith("HTTP/1.1 400 Bad Request\nConnection: close\n")
    assert "&lt;script&gt;" in page
