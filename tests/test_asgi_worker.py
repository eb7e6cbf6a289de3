"""The ASGI worker as a worker: lifespan, signals, scope, hooks, access log."""

import json
import signal
import time

import pytest

from support.wait import until

pytestmark = [pytest.mark.beyond_gunicorn, pytest.mark.names_class("asgi")]

ASGI = ("--worker-class", "asgi")


@pytest.mark.parametrize("name", ["none", "returns"])
def test_an_application_without_lifespan_is_served(serve, name):
    server = serve(f"asgi_lifespans:{name}", *ASGI)
    assert json.loads(server.get("/").body)["state"] == {}
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    ("name", "mode", "reason"),
    [
        ("fails", "auto", "no database"),
        ("fails", "on", "no database"),
        ("none", "on", "the application does not take part"),
        ("returns", "on", "the application does not take part"),
        ("raises_in_startup", "on", "no configuration"),
        ("exits_in_startup", "auto", "the application ended itself (SystemExit('no key'))"),
        ("fails_and_raises", "auto", "no database"),
    ],
)
def test_a_startup_that_fails_stops_the_server(start, name, mode, reason):
    master = start(*ASGI, "--asgi-lifespan", mode, app=f"asgi_lifespans:{name}")
    assert master.exit_status() == 3
    assert "[ERROR] ASGI lifespan startup failed: " in master.log
    assert reason in master.log
    assert "never retrieved" not in master.log
    assert master.log.count("Traceback") == name.startswith(("raises", "exits")) + (name == "none")


def test_an_application_that_raises_in_its_startup_is_served_and_its_error_told(serve):
    """By default: the specification says so. An error of an application that takes part must be seen all the same."""
    server = serve("asgi_lifespans:raises_in_startup", *ASGI)
    assert json.loads(server.get("/").body)["state"] == {}
    assert (
        "[WARNING] The application raised in lifespan.startup; it is served without" in server.log
    )
    assert server.log.count("RuntimeError: no configuration") == 1


def test_a_lifespan_that_ends_while_the_application_serves_is_told_at_once(serve):
    server = serve("asgi_lifespans:raises_later", *ASGI)
    server.wait_for_log("[ERROR] Exception in ASGI lifespan; the application is served on")
    server.wait_for_log("RuntimeError: a background task of the application")
    assert server.get("/").status == 200
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    assert server.log.count("Traceback") == 1


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_term_ends_a_worker_that_waits_for_its_application_to_start(start, loop):
    arguments = ("--asgi-loop", loop, "--graceful-timeout", "600")
    master = start(*ASGI, *arguments, app="asgi_lifespans:never_starts")
    master.wait_for_log("starting\n")
    master.send("TERM")
    assert master.exit_status() == 0
    assert "\ncleaned up\n" in master.log
    assert "Traceback" not in master.log


def test_lifespan_begins_before_the_first_request_and_ends_after_the_last(serve):
    server = serve("asgi_lifespans:full", *ASGI)
    assert json.loads(server.get("/").body)["state"] == {"key": "value"}
    assert "startup" in server.log
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    assert "\nshutdown\n" in server.log


def test_lifespan_can_be_off(serve):
    server = serve("asgi_lifespans:full", *ASGI, "--asgi-lifespan", "off")
    assert json.loads(server.get("/").body)["state"] == {}
    assert "startup" not in server.log


def test_a_shutdown_that_fails_is_logged(serve):
    server = serve("asgi_lifespans:shutdown_fails", *ASGI)
    server.get("/")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    assert "ASGI lifespan shutdown failed: still busy" in server.log


def test_the_scope_says_what_the_request_was(serve):
    server = serve("asgi_lifespans:none", *ASGI, "--root-path", "/api", unix=True)
    headers = [("X-A", "1"), ("x-a", "2"), ("X-Forwarded-Proto", "https")]
    scope = json.loads(server.get("/a%20b/%C3%BC?q=%20", headers).body)
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert (scope["path"], scope["raw_path"]) == ("/a b/ü", "/a%20b/%C3%BC")
    assert (scope["query_string"], scope["root_path"]) == ("q=%20", "/api")
    assert scope["headers"][1:] == [["x-a", "1"], ["x-a", "2"], ["x-forwarded-proto", "https"]]
    assert (scope["scheme"], scope["http_version"], scope["method"]) == ("https", "1.1", "GET")
    assert scope["client"][0] == "127.0.0.1"
    assert scope["server"] == list(server.address)

    scope = json.loads(server.get("/", unix=True).body)
    assert scope["client"] is None
    assert scope["server"] == [server.unix_path, None]


def test_each_request_has_header_fields_of_its_own(serve):
    server = serve("asgi_lifespans:none", *ASGI)
    with server.connect() as connection:
        for value in "a", "a", "b", "a":
            headers = json.loads(connection.get("/", [("X", value)]).body)["headers"]
            assert headers == [["host", "test.example"], ["x", value]]


HOOKS = """
def pre_request(worker, req):
    print("pre", req.method, req.path, flush=True)
    if req.path == "/refused":
        raise RuntimeError("not this one")

def post_request(worker, req, environ, resp):
    print("post", req.path, environ["REMOTE_ADDR"], resp.status_code, dict(resp.headers), flush=True)
"""


def test_hooks_and_access_log_hear_of_requests(serve, tmp_path):
    config = tmp_path / "hooks.py"
    config.write_text(HOOKS)
    server = serve("asgi_lifespans:none", *ASGI, "--config", config, "--access-logfile", "-")
    assert server.get("/seen?a=b").status == 200
    assert server.get("/refused").status == 500
    server.wait_for_log("pre GET /seen\n")
    server.wait_for_log("post /seen 127.0.0.1 200 ")
    server.wait_for_log("'x-own': 'yes'")
    server.wait_for_log('"GET /seen?a=b HTTP/1.1" 200 ')
    server.wait_for_log("RuntimeError: not this one")


def test_requests_that_wait_are_logged_when_they_are_answered(serve):
    server = serve("asgi_tasks:application", *ASGI, "--access-logfile", "-")
    assert server.get("/slow").text == "slow"
    server.wait_for_log('"GET /slow HTTP/1.1" 200 4 ')


def test_a_worker_that_has_served_enough_is_replaced(start):
    master = start(*ASGI, "--max-requests", "3", app="asgi_lifespans:full")
    (before,) = master.up(1)
    for _ in range(4):
        assert master.answers()
    until(lambda: master.workers and before not in master.workers, "a new worker")
    assert "Traceback" not in master.log


def test_a_loop_that_is_blocked_is_noticed(start, tmp_path):
    (tmp_path / "blocked.py").write_text(
        "import time\nasync def application(scope, receive, send):\n    time.sleep(30)\n"
    )
    environment = {"PYTHONPATH": str(tmp_path)}
    arguments = ("--timeout", "2", "--asgi-lifespan", "off")
    master = start(*ASGI, *arguments, app="blocked:application", environment=environment)
    master.up(1)
    with master.connect() as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        master.wait_for_log("WORKER TIMEOUT")


def test_an_unknown_loop_is_refused(start):
    master = start(*ASGI, "--asgi-loop", "nonsense", app="asgi_lifespans:none")
    assert master.exit_status() == 1
    assert "asgi_loop" in master.log


def test_a_syntax_error_is_shown_until_it_is_mended(start, tmp_path):
    (tmp_path / "broken.py").write_text("def application(:\n")
    environment = {"PYTHONPATH": str(tmp_path)}
    master = start(*ASGI, "--reload", app="broken:application", environment=environment)
    until(lambda: "SyntaxError" in (master.answers() or ""), "the traceback as an answer")
    (tmp_path / "broken.py").write_text(
        "async def application(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b'mended'})\n"
    )
    until(lambda: master.answers() == "mended", "the mended application")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_idle_worker_goes_on_beating(start, loop):
    pytest.importorskip(loop)
    master = start(*ASGI, "--asgi-loop", loop, "--timeout", "2", app="asgi_lifespans:none")
    (before,) = master.up(1)
    time.sleep(6)
    assert master.workers == {before} or master.workers == [before]
    assert "WORKER TIMEOUT" not in master.log
