"""The error log, logging configurations, syslog and statsd, seen from outside."""

import json
import os
import re
import socket

import pytest

from support.command import run
from support.server import APPS, IS_ASGI, failure_of
from support.wait import until

APP = "logged:application"
DICT_CONFIG = """
logconfig_dict = {
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["file"], "propagate": False},
        "gunicorn.access": {"level": "INFO", "handlers": ["file"], "propagate": False},
    },
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "all.log", "formatter": "json"}},
    "formatters": {"json": {"format": '{"name": "%(name)s", "message": "%(message)s"}'}},
    "root": {"level": "INFO", "handlers": []},
}
access_log_format = "%(m)s %(U)s"
"""


class Collector:
    """A datagram socket and what came."""

    def __init__(self, family=socket.AF_INET, address=("127.0.0.1", 0)):
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(0.05)
        self.received = []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.close()

    @property
    def port(self):
        """Where it listens."""
        return self.socket.getsockname()[1]

    def wait_for(self, pattern):
        """Wait for a datagram that matches."""

        def found():
            try:
                while True:
                    self.received.append(self.socket.recv(65536).decode())
            except TimeoutError:
                pass
            return next((one for one in self.received if re.search(pattern, one)), None)

        return until(found, f"{pattern!r} in {self.received!r}")


def test_lines_look_as_gunicorns(serve, tmp_path):
    server = serve(APP, "--error-logfile", "-")
    line = r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[\d+\] \[INFO\] Booting worker with pid: \d+$"
    until(lambda: re.search(line, server.log, re.MULTILINE), "the line")


def test_the_application_logs_through_the_servers_logger(serve):
    server = serve(APP)
    server.get("/log")
    assert "] [WARNING] the application's own line\n" in server.wait_for_log("own line")


@pytest.mark.beyond_gunicorn
def test_json_lines(start, tmp_path):
    server = start("--log-format", "json", app=APP)
    server.up()
    server.answers("/raise?how=loud")
    server.wait_for_log("as asked")
    entries = [json.loads(line) for line in server.log.splitlines()]
    failure = next(entry for entry in entries if entry["level"] == "ERROR")
    assert failure["message"] == failure_of("/raise?how=loud")
    if IS_ASGI:
        asked = (failure["http.request.method"], failure["url.path"], failure["url.query"])
        assert asked == ("GET", "/raise", "how=loud")
    assert failure["exception.type"] == "builtins.RuntimeError"
    assert "Traceback" in failure["exception.stacktrace"]
    assert failure["logger"] == "gunicorn.error" and failure["process.pid"] in server.workers


def test_capture_output(start, tmp_path):
    server = start("--error-logfile", "error.log", "--capture-output", app=APP)
    server.up()
    server.answers("/print")
    path = tmp_path / "error.log"
    until(lambda: "complained by the application\n" in path.read_text(), "what was printed")
    assert "\nprinted by the application\n" in path.read_text()
    path.rename(tmp_path / "old.log")
    server.send("USR1")
    until(path.exists, "a new file")

    def moves():
        server.answers("/print")
        return "printed by the application\n" in path.read_text()

    until(moves, "what was printed in the new file")


def test_a_dictionary_takes_the_place_of_the_handlers(start, tmp_path):
    server = start("--access-logfile", "unused.log", app=APP, config=DICT_CONFIG)
    server.up()
    server.answers("/told")
    path = tmp_path / "all.log"
    until(lambda: "/told" in path.read_text(), "the access line")
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    messages = {(entry["name"], entry["message"]) for entry in entries}
    assert ("gunicorn.access", "GET /told") in messages
    assert any(name == "gunicorn.error" and "Listening" in message for name, message in messages)
    assert server.log == ""
    assert (tmp_path / "unused.log").read_text() == ""


def test_a_json_file_and_an_ini_file(start, tmp_path):
    generic = {"format": "JJ %(message)s"}
    (tmp_path / "log.json").write_text(json.dumps({"formatters": {"generic": generic}}))
    (tmp_path / "log.ini").write_text(
        "[loggers]\nkeys=root,error\n[handlers]\nkeys=own\n[formatters]\nkeys=own\n"
        "[logger_root]\nlevel=INFO\nhandlers=\n"
        "[logger_error]\nlevel=INFO\nhandlers=own\nqualname=gunicorn.error\n"
        "[handler_own]\nclass=FileHandler\nargs=('%(here)s/ini.log',)\nformatter=own\n"
        "[formatter_own]\nformat=II %(message)s\n"
    )
    server = start("--log-config-json", "log.json", "--log-config", "log.ini", app=APP)
    server.up()
    assert "\nJJ Listening at: " in server.log
    server.configure("logconfig = 'log.ini'")
    server.end()
    (tmp_path / "notify").unlink()
    server = start("--log-config", "log.ini", app=APP)
    server.up()
    assert "II Listening at: " in (tmp_path / "ini.log").read_text()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            "logconfig_dict = {'handlers': {'console': {'class': 'nowhere.Handler'}}}",
            "logconfig_dict",
        ),
        ("logconfig = 'nowhere.ini'", "log config 'nowhere.ini' not found"),
        ("syslog = True; syslog_addr = 'smoke://signals'", "syslog_addr"),
        ("syslog = True; syslog_facility = 'gossip'", "syslog_facility"),
        ("accesslog = '/nowhere/access.log'", "'/nowhere/access.log' isn't writable"),
        ("logger_class = 'nowhere.Logger'", "nowhere.Logger"),
    ],
)
def test_what_cannot_be_used_stops_the_start(tmp_path, config, expected):
    (tmp_path / "conf.py").write_text(config)
    finished = run(tmp_path, "-c", "conf.py", "-b", "unix:s", "--chdir", str(APPS), APP)
    assert finished.returncode == 1
    assert expected in finished.stderr


def test_hup_takes_over_the_log_settings(start, tmp_path):
    server = start(app=APP, config="accesslog = 'one.log'\nerrorlog = 'err.log'")
    before = server.up()
    server.answers("/one")
    server.configure("accesslog = 'two.log'\naccess_log_format = 'new %(U)s'\nloglevel = 'warning'")
    server.send("HUP")
    server.replaced(before, 1)
    server.answers("/two")
    until(lambda: "new /two\n" in (tmp_path / "two.log").read_text(), "the new log")
    assert "/two" not in (tmp_path / "one.log").read_text()
    server.answers("/log")
    server.wait_for_log("the application's own line")
    assert "Booting" not in server.log


@pytest.mark.beyond_gunicorn
def test_a_logging_configuration_that_fails_keeps_the_old_one(start, tmp_path):
    server = start(app=APP, config="accesslog = 'access.log'\nerrorlog = 'err.log'")
    before = server.up()
    server.configure(
        "accesslog = 'access.log'\nerrorlog = 'other.log'\n"
        "logconfig_dict = {'handlers': {'console': {'class': 'nowhere.Handler'}}}"
    )
    server.send("HUP")
    path = tmp_path / "err.log"
    until(lambda: "nowhere" in path.read_text(), "the complaint in the old log")
    until(lambda: set(server.workers) != before or "Reload refused" in path.read_text(), "the end")
    server.answers("/after")
    until(lambda: "/after" in (tmp_path / "access.log").read_text(), "the old access log")


@pytest.mark.parametrize("kind", ["#dgram", ""])
def test_syslog_over_a_unix_socket(start, tmp_path, kind):
    path = str(tmp_path / "syslog")
    with Collector(socket.AF_UNIX, path) as collector:
        server = start(
            *("--log-syslog", "--log-syslog-to", f"unix://{path}{kind}"),
            *("--log-syslog-prefix", "mine", "--log-syslog-facility", "LOCAL0"),
            app=APP,
        )
        server.up()
        collector.wait_for(r"^<134>gunicorn\.mine\.error: \[\d+\] Listening at: .*\0$")
        server.answers("/told")
        collector.wait_for(r'^<134>gunicorn\.mine\.access: \[\d+\]  - - .*"GET /told ')


def test_access_lines_are_kept_out_of_syslog(start, tmp_path):
    with Collector() as collector:
        server = start(
            *("--log-syslog", "--log-syslog-to", f"udp://127.0.0.1:{collector.port}"),
            *("--disable-redirect-access-to-syslog", "--access-logfile", "access.log"),
            app=APP,
        )
        server.up()
        server.answers("/told")
        until(lambda: "/told" in (tmp_path / "access.log").read_text(), "the access line")
        server.answers("/log")
        collector.wait_for(r"^<12>gunicorn\.logged\.application\.error: .*own line")
        assert not any(".access" in one for one in collector.received)


@pytest.mark.beyond_gunicorn
def test_syslog_over_tcp_ends_messages_with_a_line_feed(start):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        server = start("--log-syslog", "--log-syslog-to", address, app=APP)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(20)
            data = b""
            while b"Booting worker" not in data:
                data += connection.recv(65536)
            server.up()
        first, second, *_ = data.decode().splitlines()
        assert re.fullmatch(
            r"<14>gunicorn\.logged\.application\.error: \[\d+\] Starting \S+ \S+", first
        )
        assert "Listening at: " in second and "\0" not in data.decode()


def test_statsd(start, tmp_path):
    with Collector() as collector:
        server = start(
            *("--statsd-host", f"127.0.0.1:{collector.port}", "--statsd-prefix", "web.."),
            *("--dogstatsd-tags", "a:b,c", "--enable-backlog-metric", "--bind", "127.0.0.1:0"),
            app=APP,
        )
        server.up()
        collector.wait_for(r"^web\.gunicorn\.workers:1\|g\|#a:b,c$")
        collector.wait_for(r"^web\.gunicorn\.backlog:\d+\|h\|#a:b,c$")
        collector.wait_for(r"^web\.gunicorn\.requests:1\|c\|@1\.0\|#a:b,c$")
        collector.wait_for(r"^web\.gunicorn\.request\.duration:\d+\.\d+\|ms\|#a:b,c$")
        server.answers("/raise")
        collector.wait_for(r"^web\.gunicorn\.request\.status\.500:1\|c\|@1\.0\|#a:b,c$")
        collector.wait_for(r"^web\.gunicorn\.log\.exception:1\|c\|@1\.0\|#a:b,c$")


def test_statsd_over_a_unix_socket_with_nobody_there_first(start, tmp_path):
    path = str(tmp_path / "statsd")
    with Collector(socket.AF_UNIX, path) as collector:
        server = start("--statsd-host", f"unix://{path}", app=APP)
        server.up()
        collector.wait_for(r"^gunicorn\.requests:1\|c\|@1\.0$")
    os.unlink(path)
    assert server.answers("/still") == "hello"
