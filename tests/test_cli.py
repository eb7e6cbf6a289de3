"""The command line: help, version, mistakes, and which application it names."""

import subprocess
import sys

import pytest

from support.command import run, settings

APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "0")])
    return []

class Holder:
    pass

holder = Holder()
holder.inner = app
number = 7
nothing = None

def factory(name, *, suffix=""):
    return app

def broken_factory():
    raise TypeError("from inside")
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with an application."""
    (tmp_path / "shop.py").write_text(APP)
    return tmp_path


def check(folder, *arguments):
    """Load configuration and application only."""
    return run(folder, "--check-config", *arguments)


def test_version_names_program_and_number(folder):
    finished = run(folder, "-v")
    assert finished.returncode == 0
    assert finished.stdout.startswith(("oxicorn (version ", "gunicorn (version "))


def test_help_shows_flags_by_section_with_defaults(folder):
    finished = run(folder, "--help")
    assert finished.returncode == 0
    assert finished.stdout.lower().startswith("usage: ")
    for part in ("--workers", "--bind", "127.0.0.1:8000", "--forwarded-allow-ips"):
        assert part in finished.stdout


@pytest.mark.beyond_gunicorn
def test_help_has_one_line_for_each_flag(folder):
    lines = run(folder, "--help").stdout.splitlines()
    flags = [line for line in lines if line.lstrip().startswith("-")]
    assert len(flags) > 90
    for line in flags:
        usage, _, meaning = line.strip().partition("  ")
        assert usage and meaning, line


@pytest.mark.beyond_gunicorn
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("--reload-e", ["--reload-engine", "--reload-extra-file"]),
        ("--reload-engine ", ["auto", "poll", "inotify"]),
        ("--header-map=ref", []),
    ],
)
def test_bash_completes_flags_and_their_words(folder, line, offered):
    script = run(folder, "--completions", "bash").stdout
    words = ["oxicorn", *line.split(" ")]
    ask = f"COMP_WORDS=({' '.join(repr(word) for word in words)})\nCOMP_CWORD={len(words) - 1}\n"
    call = f"_oxicorn oxicorn {words[-1]!r} {words[-2]!r}\n"
    program = f'{script}\n{ask}{call}printf "%s\\n" "${{COMPREPLY[@]}}"'
    finished = subprocess.run(["bash", "-c", program], capture_output=True, text=True, timeout=30)
    assert finished.stderr == ""
    assert sorted(finished.stdout.split()) == sorted(offered)


@pytest.mark.beyond_gunicorn
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_are_printed_for_each_shell(folder, shell):
    finished = run(folder, "--completions", shell)
    assert finished.returncode == 0
    assert "forwarded-allow-ips" in finished.stdout
    assert run(folder, "--completions", "tcsh").returncode == 2


#: What takes long to import, and no start needs.
HEAVY = {"argparse", "asyncio", "ctypes", "email", "importlib.metadata", "ssl", "urllib.request"}


@pytest.mark.beyond_gunicorn
def test_a_start_imports_nothing_heavy(folder):
    command = [sys.executable, "-X", "importtime", "-m", "oxicorn", "--check-config", "shop:app"]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30)
    assert finished.returncode == 0
    # "import time:  self [us] | cumulative | name"
    imported = {line.rpartition("|")[2].strip() for line in finished.stderr.splitlines()}
    assert "oxicorn.app" in imported
    assert not imported & HEAVY


@pytest.mark.beyond_gunicorn
def test_an_unknown_flag_gets_a_suggestion(folder):
    finished = run(folder, "--workerz", "3", "shop:app")
    assert finished.returncode == 2
    assert "--workers" in finished.stderr


@pytest.mark.parametrize(
    "arguments",
    [["--unknown"], ["--workers", "0x2"], ["--umask", "rw"], ["--bind"], ["--log", "x"]],
)
def test_a_usage_mistake_ends_with_status_2(folder, arguments):
    finished = run(folder, *arguments)
    assert finished.returncode == 2
    assert "usage:" in finished.stderr.lower()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--workers", "-1"],
        ["--header-map", "keep"],
        ["--chdir", "missing"],
        ["--user", "no such user"],
        ["--forwarded-allow-ips", "10.0.0.1/8"],
        ["--proxy-protocol=v3"],
    ],
)
def test_a_refused_value_ends_with_status_1(folder, arguments):
    finished = check(folder, *arguments, "shop:app")
    assert finished.returncode == 1
    assert "\nError: " in "\n" + finished.stderr


@pytest.mark.beyond_gunicorn
def test_an_error_names_setting_value_and_source(folder):
    error = check(folder, "--workers", "-1", "shop:app").stderr
    for part in ("workers", "-1", "command line", "not negative"):
        assert part in error


def test_flags_may_be_abbreviated_repeated_and_joined(folder):
    values = settings(folder, "--max-requests-j", "5", "-w2", "-w", "3", "--backlog=9", "shop:app")
    assert (values["max_requests_jitter"], values["workers"], values["backlog"]) == ("5", "3", "9")


def test_flags_of_our_own_leave_gunicorns_abbreviations_alone(folder):
    assert settings(folder, "--log-f", "x", "shop:app")["errorlog"] == "x"


def test_bind_and_env_flags_add_up(folder):
    values = settings(folder, "-b", ":80", "--bind", ":81", "-e", "A=1", "shop:app")
    assert values["bind"] == "[':80', ':81']"
    assert values["raw_env"] == "['A=1']"


def test_further_arguments_do_not_matter(folder):
    assert settings(folder, "shop:app", "other:app")["default_proc_name"] == "shop:app"


@pytest.mark.parametrize(
    ("arguments", "mode"),
    [
        (["shop:app", "--proxy-protocol"], "auto"),
        (["--proxy-protocol", "v2", "shop:app"], "v2"),
        (["--proxy-protocol=off", "shop:app"], "off"),
    ],
)
def test_the_proxy_protocol_flag_has_an_optional_value(folder, arguments, mode):
    assert settings(folder, *arguments)["proxy_protocol"] == mode


def test_without_an_application_there_is_nothing_to_do(folder):
    finished = run(folder)
    assert finished.returncode == 1
    assert "Error: No application module specified." in finished.stderr


@pytest.mark.parametrize("spec", ["shop:app", "shop:factory('x')", "shop:factory('x', suffix='!')"])
def test_an_application_is_a_name_or_a_call(folder, spec):
    assert check(folder, spec).returncode == 0


@pytest.mark.beyond_gunicorn
def test_an_application_may_be_an_attribute(folder):
    assert check(folder, "shop:holder.inner").returncode == 0


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("shop", "Failed to find attribute 'application' in 'shop'."),
        ("shop:missing", "Failed to find attribute 'missing' in 'shop'."),
        ("shop:nothing", "Failed to find application object: 'nothing'"),
        ("shop:number", "Application object must be callable."),
        ("shop:1 + 1", "Failed to parse '1 + 1' as an attribute name or function call."),
        ("shop:factory(open)", "Failed to parse arguments as literal values: 'factory(open)'"),
        ("shop:holder.make()", "Function reference must be a simple name: 'holder.make()'"),
        ("shop:factory(1, 2)", "TypeError: factory() takes 1 positional argument but 2 were given"),
        ("shop:broken_factory()", "TypeError: from inside"),
        ("nowhere:app", "No module named 'nowhere'"),
        ("shop.py", "did you mean 'shop:application'?"),
    ],
)
def test_an_unusable_application_is_explained(folder, spec, message):
    finished = check(folder, spec)
    assert finished.returncode == 1
    assert "Error while loading the application:" in finished.stderr
    assert message in finished.stderr
