"""What the log says about a worker that ended unasked."""

import contextlib
import json
import os
import re
import signal

import pytest

from support.load import Load
from support.wait import until

pytestmark = pytest.mark.beyond_gunicorn

APP = "dying:application"


def begin(master, target):
    """A connection whose request is in the application."""
    connection = master.connect()
    connection.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    master.wait_for_log(f"begun {target}")
    return connection


def reports(master, count=1):
    """The lines of the reports, once there are so many."""
    master.wait_for_log("Death of worker", count)
    until(lambda: master.log.endswith("\n"), "a whole line")
    return [line for line in master.log.splitlines() if "Death of worker" in line]


def test_a_killed_worker_is_reported_with_the_request_in_flight(start):
    master = start(app=APP)
    (worker,) = master.up(1)
    with begin(master, "/wait/60"):
        os.kill(worker, signal.SIGKILL)
        (line,) = reports(master)
    assert f"[ERROR] Death of worker 1 (pid:{worker}): SIGKILL, " in line
    assert "was serving GET /wait/60 from a unix socket for " in line
    assert re.search(r"; lived \d+\.\d s; requests answered: [1-9]\d*; memory \d+\.\d MiB; ", line)
    # The line that people grep for is still there.
    assert f"Worker (pid:{worker}) was sent SIGKILL! Perhaps out of memory?" in master.log


def test_an_idle_worker_that_is_killed_is_reported_too(start):
    master = start(app=APP)
    # Without a request: its client would have the answer before the worker is idle again.
    until(lambda: "READY=1" in master.messages, "READY=1")
    (worker,) = master.workers
    os.kill(worker, signal.SIGKILL)
    (line,) = reports(master)
    assert line.endswith("; no request in flight.")


@pytest.mark.parametrize(
    ("target", "how"),
    [
        ("/segfault", "SIGSEGV, a fault in native code"),
        ("/exit/9", "exit code 9"),
        ("/exit/0", "exit code 0"),
    ],
)
def test_how_a_worker_ended(start, target, how):
    master = start(app=APP)
    master.up(1)
    begin(master, target).close()
    (line,) = reports(master)
    assert f": {how}; lived " in line
    assert f"was serving GET {target} from" in line


@pytest.mark.parametrize("threads", [1, 4], ids=["sync", "gthread"])
def test_a_crash_in_native_code_answers_the_requests_in_flight(start, threads):
    master = start("--threads", threads, "--workers", "2", app=APP)
    before = master.up(2)
    with contextlib.ExitStack() as clients:
        with Load(str(master.folder / "s"), clients=2, pause=0.005) as load:
            crashed = clients.enter_context(begin(master, "/segfault"))
            response = crashed.receive()
            assert (response.status, response.reason) == (502, "Bad Gateway")
            assert response.complete
            assert crashed.is_closed()
            until(lambda: len(before & set(master.workers)) == 1, "the end of one worker")
            until(lambda: len(master.workers) == 2, "a new worker")
            load.more()
    (line,) = reports(master)
    assert ": SIGSEGV, a fault in native code; lived " in line
    assert re.search(r"was serving GET /segfault from .* for \d\.\d s \(answered with 502\)", line)
    # Who was idle on a kept connection of that worker goes on with the other.
    assert not load.failures
    assert set(load.statuses) <= {200, 502}


def test_faulthandler_still_sees_the_crash(start):
    environment = {"PYTHONFAULTHANDLER": "1"}
    master = start(app=APP, environment=environment)
    master.up(1)
    with begin(master, "/segfault") as crashed:
        assert crashed.receive().status == 502
    reports(master)
    assert "Fatal Python error: Segmentation fault" in master.log
    assert "in application" in master.log


def test_all_requests_of_a_threaded_worker_are_listed(start):
    master = start("--threads", "4", app=APP)
    (worker,) = master.up(1)
    with contextlib.ExitStack() as clients:
        for number in range(3):
            clients.enter_context(begin(master, f"/wait/60.{number}"))
        os.kill(worker, signal.SIGKILL)
        (line,) = reports(master)
    for number in range(3):
        assert line.count(f"GET /wait/60.{number} from a unix socket for ") == 1


def test_a_worker_that_leaves_as_it_was_told_is_not_reported(start):
    master = start(app=APP)
    before = master.up(1)
    master.send("HUP")
    master.replaced(before, 1)
    master.send("TERM")
    assert master.exit_status() == 0
    assert "Death of" not in master.log


def test_the_report_as_json(start):
    master = start("--log-format", "json", app=APP)
    (worker,) = master.up(1)
    with begin(master, "/wait/60"):
        os.kill(worker, signal.SIGKILL)
        (line,) = reports(master)
    entry = json.loads(line)
    assert entry["event.name"] == "worker.death"
    assert entry["process.pid"] == master.pid
    told = entry["worker"]
    assert (told["pid"], told["number"], told["signal"]) == (worker, 1, "SIGKILL")
    assert told["out_of_memory"] in (False, None)
    assert told["rss_bytes"] > 1_000_000
    assert told["rss_hour_ago_bytes"] is None
    (request,) = told["in_flight"]
    assert (request["method"], request["target"]) == ("GET", "/wait/60")
    assert request["age_s"] >= 0


def test_an_out_of_memory_kill_is_called_so(memory_group, start):
    master = start(app=APP, preexec_fn=lambda: memory_group.write_text(str(os.getpid())))
    master.up(1)
    begin(master, "/memory").close()
    (line,) = reports(master)
    assert ": SIGKILL, out of memory; lived " in line
    assert "was serving GET /memory from" in line
    # A kill of another kind afterwards is told apart.
    before = master.up(1)
    os.kill(min(before), signal.SIGKILL)
    assert ": SIGKILL, sent by another process; not out of memory; " in reports(master, 2)[1]
