"""The configuration: where settings come from, which source wins, and what is refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.command import run, settings
from support.server import clean_environment

APP = "shop:app"
FACTS = Path(__file__).parent.parent / "crates/config/tests/gunicorn_settings.txt"
GUNICORNS = [
    line.split(" ¦ ")[0] for line in FACTS.read_text().splitlines() if not line.startswith("#")
]


@pytest.fixture
def folder(tmp_path):
    """A folder with an application."""
    (tmp_path / "shop.py").write_text("def app(environ, start_response): ...\n")
    return tmp_path


def configure(folder, text, name="conf.py"):
    """Write a configuration file; the arguments that name it."""
    (folder / name).write_text(text)
    return ("-c", name)


def check(folder, *arguments, environment=None):
    """Load configuration and application only."""
    return run(folder, "--check-config", *arguments, APP, environment=environment)


def test_each_source_overrides_the_former(folder):
    file = configure(folder, "workers = 2\nthreads = 2\nbacklog = 2\n")
    environment = {"WEB_CONCURRENCY": "9", "GUNICORN_CMD_ARGS": "--threads 3 --backlog 3"}
    values = settings(folder, *file, "--backlog", "4", APP, environment=environment)
    assert (values["workers"], values["threads"], values["backlog"]) == ("2", "3", "4")


def test_environment_variables_feed_defaults(folder):
    environment = {"PORT": "81", "WEB_CONCURRENCY": "3", "FORWARDED_ALLOW_IPS": "10.1.2.3"}
    values = settings(folder, APP, environment=environment)
    assert values["bind"] == "['0.0.0.0:81']"
    assert values["workers"] == "3"
    assert values["forwarded_allow_ips"] == "['10.1.2.3']"


@pytest.mark.beyond_gunicorn
def test_own_variable_goes_before_gunicorns(folder):
    environment = {
        "OXICORN_CMD_ARGS": "--workers 5",
        "GUNICORN_CMD_ARGS": "--workers 6 --threads 6",
    }
    values = settings(folder, APP, environment=environment)
    assert (values["workers"], values["threads"]) == ("5", "1")


def test_arguments_of_the_environment_are_split_like_a_shell_does(folder):
    configure(folder, "workers = 7\n")
    environment = {"GUNICORN_CMD_ARGS": "-c conf.py --name 'two words' # other:app"}
    values = settings(folder, APP, environment=environment)
    assert (values["workers"], values["proc_name"]) == ("7", "two words")
    assert values["default_proc_name"] == APP


def test_the_default_file_is_read_if_it_exists(folder):
    configure(folder, "workers = 4\n", "gunicorn.conf.py")
    assert settings(folder, APP)["workers"] == "4"


@pytest.mark.beyond_gunicorn
def test_own_default_file_goes_before_gunicorns(folder):
    configure(folder, "workers = 4\n", "gunicorn.conf.py")
    configure(folder, "threads = 5\n", "oxicorn.conf.py")
    values = settings(folder, APP)
    assert (values["workers"], values["threads"]) == ("1", "5")


@pytest.mark.parametrize("location", ["file:conf.py", "python:conf", "./conf.py"])
def test_a_file_is_named_by_path_or_module(folder, location):
    configure(folder, "workers = 6\n")
    environment = {"PYTHONPATH": str(folder)}
    assert settings(folder, "-c", location, APP, environment=environment)["workers"] == "6"


def test_a_file_with_another_ending_is_read_with_a_warning(folder):
    file = configure(folder, "workers = 6\n", "conf.txt")
    finished = run(folder, *file, "--print-config", APP)
    assert "!!!" in finished.stderr
    assert any(line.split() == ["workers", "=", "6"] for line in finished.stdout.splitlines())


def test_a_file_is_a_module_and_its_other_names_do_not_matter(folder):
    file = configure(
        folder,
        "import sys\n"
        "helper = unknown_setting = 1\n"
        "WORKERS = 9\n"
        "proc_name = str(sys.modules['__config__'].helper) + __name__\n",
    )
    values = settings(folder, *file, APP)
    assert (values["proc_name"], values["workers"]) == ("1__config__", "1")


def test_the_application_may_come_from_the_file(folder):
    file = configure(folder, f"wsgi_app = {APP!r}\n")
    assert run(folder, *file, "--check-config").returncode == 0


def test_a_missing_file_is_an_error(folder):
    finished = run(folder, "-c", "missing.py", APP)
    assert finished.returncode == 1
    assert "Error: 'missing.py' doesn't exist" in finished.stderr


@pytest.mark.parametrize("text", ["workers = (\n", "import nowhere\n", "1 / 0\n"])
def test_a_file_that_fails_shows_its_traceback(folder, text):
    finished = check(folder, *configure(folder, text))
    assert finished.returncode == 1
    assert finished.stderr.startswith("Failed to read config file: conf.py\nTraceback")


@pytest.mark.parametrize(
    ("text", "first_line"),
    [
        ("workers = 'abc'", "Invalid value for workers: abc"),
        ("daemon = 1", "Invalid value for daemon: 1"),
        ("bind = 80", "Invalid value for bind: 80"),
        ("forwarded_allow_ips = ['127.0.0.1']", "Invalid value for forwarded_allow_ips: "),
        ("secure_scheme_headers = []", "Invalid value for secure_scheme_headers: []"),
        ("when_ready = 5", "Invalid value for when_ready: 5"),
    ],
)
def test_a_refused_value_of_a_file_is_named(folder, text, first_line):
    finished = check(folder, *configure(folder, text + "\n"))
    assert finished.returncode == 1
    assert finished.stderr.startswith(first_line)
    assert "\nError: " in finished.stderr


@pytest.mark.parametrize(
    ("hook", "arity"), [("on_starting", 1), ("pre_fork", 2), ("nworkers_changed", 3)]
)
def test_a_hook_has_a_fixed_number_of_parameters(folder, hook, arity):
    good = ", ".join("abc"[:arity])
    assert check(folder, *configure(folder, f"def {hook}({good}): ...\n")).returncode == 0
    finished = check(folder, *configure(folder, f"def {hook}(*arguments): ...\n"))
    assert finished.returncode == 1
    assert f"Error: Value must have an arity of: {arity}" in finished.stderr


@pytest.mark.parametrize("parameters", ["a, b", "a, b, c", "a, b, c, d"])
def test_post_request_takes_two_to_four_parameters(folder, parameters):
    file = configure(folder, f"def post_request({parameters}): ...\n")
    assert check(folder, *file).returncode == 0


def test_a_hook_may_be_named(folder):
    (folder / "hooks.py").write_text("def ready(server): ...\n")
    file = configure(folder, "when_ready = 'hooks.ready'\n")
    assert settings(folder, *file, APP)["when_ready"] == "<ready()>"
    finished = check(folder, *configure(folder, "when_ready = 'hooks.missing'\n"))
    assert finished.returncode == 1


def test_print_config_is_sorted_and_aligned(folder):
    lines = run(folder, "--print-config", APP).stdout.splitlines()
    names = [line.split(" = ")[0].strip() for line in lines]
    assert names == sorted(names)
    assert set(GUNICORNS) <= set(names)
    assert len(GUNICORNS) == 120
    assert len({line.index(" = ") for line in lines}) == 1


def test_numbers_may_be_written_as_in_python(folder):
    file = configure(folder, "workers = '0x10'\nbacklog = True\n")
    values = settings(folder, *file, "--umask", "022", APP)
    assert (values["workers"], values["backlog"], values["umask"]) == ("16", "1", "18")


@pytest.mark.beyond_gunicorn
def test_auto_is_the_number_of_usable_processors(folder):
    usable = os.sched_getaffinity(0)
    assert 1 <= int(settings(folder, "-w", "auto", APP)["workers"]) <= len(usable)
    configure(folder, "import os\nos.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n")
    values = settings(folder, "-c", "conf.py", "-w", "auto", APP)
    assert values["workers"] == "1"
    environment = {"WEB_CONCURRENCY": "auto"}
    assert int(settings(folder, APP, environment=environment)["workers"]) >= 1
    file = configure(folder, "workers = 'auto'\n")
    assert int(settings(folder, *file, APP)["workers"]) >= 1


@pytest.mark.beyond_gunicorn
def test_auto_is_a_word_of_workers_only(folder):
    assert check(folder, "--threads", "auto").returncode == 2
    assert check(folder, "--workers", "automatic").returncode == 2


def test_spew_prints_what_is_executed(folder):
    (folder / "shop.py").write_text("raise RuntimeError('seen')\n")
    finished = run(folder, "--spew", "--bind", "unix:s", APP)
    assert finished.returncode == 3
    assert "shop:1: raise RuntimeError('seen')" in finished.stdout


def test_check_config_does_not_judge_what_only_the_start_needs(folder):
    assert check(folder, "-k", "no_such_class", "--log-level", "loud", "-b", "h:x").returncode == 0


@pytest.mark.beyond_gunicorn
def test_what_is_not_supported_is_refused_and_not_ignored(folder):
    for start in (check, lambda folder, *arguments: run(folder, *arguments, APP)):
        finished = start(folder, "--certfile", "cert.pem")
        assert finished.returncode == 1
        assert "Error: certfile cannot be 'cert.pem'" in finished.stderr


@pytest.mark.beyond_gunicorn
def test_an_address_is_judged_at_start(folder):
    finished = run(folder, "-b", "localhost:http", APP)
    assert finished.returncode == 1
    assert "bind cannot be 'localhost:http'" in finished.stderr


@pytest.mark.beyond_gunicorn
def test_values_that_do_not_fit_together_are_refused_with_their_origin(folder):
    file = configure(folder, "max_queue = 3\n")
    for arguments, origin in (("--max-queue", "3"), "command line"), (file, "conf.py"):
        finished = run(folder, "-k", "asgi", *arguments, APP)
        assert finished.returncode == 1
        assert f"Error: max_queue cannot be 3 ({origin}): expected 0 where" in finished.stderr


OBJECT = """
import os, sys
sys.argv = ["oxicorn", "-c", "conf.py", "shop:app"]
from oxicorn.app import Application
from oxicorn.errors import ConfigError
"""


@pytest.mark.beyond_gunicorn
def test_the_config_object_has_derived_attributes(folder):
    configure(
        folder,
        "bind = ['unix:/s', '[::1]:80']\nraw_env = ['A=b=c']\nproxy_allow_ips = '10.0.0.0/8,*'\n",
    )
    python(
        folder,
        OBJECT
        + """
cfg = Application().cfg
assert cfg.address == ["/s", ("::1", 80)]
assert cfg.env == {"A": "b=c"}
assert (cfg.uid, cfg.gid) == (os.geteuid(), os.getegid())
assert cfg.proc_name == "shop:app"
assert cfg.worker_class_str == "sync"
assert cfg.sendfile is True and cfg.is_ssl is False
assert [str(network) for network in cfg.proxy_allow_networks()] == ["10.0.0.0/8"]
entry = cfg.settings["workers"]
assert (entry.get(), entry.default, entry.section) == (1, 1, "Worker Processes")
assert "-w" in entry.cli
cfg.set("workers", "3")
assert cfg.workers == 3
for wrong in ("cfg.workers = 4", "cfg.set('unknown', 1)", "cfg.unknown"):
    try:
        exec(wrong)
    except AttributeError:
        continue
    raise AssertionError("no AttributeError")
""",
    )


@pytest.mark.beyond_gunicorn
def test_a_wrong_reload_keeps_the_configuration(folder):
    configure(folder, "workers = 2\n")
    (folder / "other").mkdir()
    python(
        folder,
        OBJECT
        + """
sys.argv += ["--chdir", "other"]
app = Application()
assert os.path.basename(os.getcwd()) == "other"
for text in ("workers = -1", "workers = (", "raise SystemExit"):
    with open("../conf.py", "w") as file:
        file.write(text)
    cfg = app.cfg
    try:
        app.reload()
    except ConfigError:
        assert app.cfg is cfg and cfg.workers == 2
        assert os.path.basename(os.getcwd()) == "other"
        continue
    raise AssertionError("no ConfigError")
with open("../conf.py", "w") as file:
    file.write("workers = 3")
app.reload()
assert app.cfg.workers == 3
""",
    )


def python(folder, program):
    """Run a program that uses the package."""
    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert finished.returncode == 0, finished.stderr
