"""Hooks: a configuration file with all of them, their order, their process, their objects."""

import json
import os

import pytest

from support.server import IS_GUNICORN
from support.wait import until

# Every hook writes a line: its name, whether it is in the master, and what it saw. One write a line,
# so that the lines of several processes stay whole and in the order of time.
CONFIG = """
import json, os

MASTER = os.getpid()
bind = "unix:s"
proc_name = "hooked"

def say(hook, **seen):
    with open("hooks", "a", buffering=1) as file:
        file.write(json.dumps([hook, os.getpid() == MASTER, seen]) + "\\n")

def on_starting(server):
    say("on_starting", pid=server.pid == os.getpid(), listeners=len(server.LISTENERS),
        address=server.address, name=server.master_name, workers=len(server.WORKERS),
        proc_name=server.proc_name, pidfile=os.path.exists("pid"), systemd=bool(server.systemd),
        reexec=server.reexec_pid, context=sorted(map(str, server.START_CTX)))
def when_ready(server):
    say("when_ready", listeners=list(map(str, server.LISTENERS)), target=server.num_workers,
        worker_class=server.worker_class.__name__, timeout=server.timeout, age=server.worker_age)
def on_reload(server):
    say("on_reload", kept=server.cfg.proc_name)
def pre_fork(server, worker):
    say("pre_fork", pid=worker.pid, age=worker.age, ppid=worker.ppid == os.getpid(),
        timeout=worker.timeout, text=str(worker), sockets=len(worker.sockets))
def post_fork(server, worker):
    say("post_fork", pid=worker.pid == os.getpid(), booted=worker.booted)
def post_worker_init(worker):
    say("post_worker_init", callable=callable(worker.wsgi), alive=worker.alive, nr=worker.nr,
        aborted=worker.aborted, app=worker.app is not None, log=hasattr(worker.log, "error_log"),
        pipe=len(worker.PIPE), heartbeat=callable(worker.tmp.notify))
def worker_int(worker):
    say("worker_int", alive=worker.alive)
def worker_abort(worker):
    say("worker_abort", alive=worker.alive)
def worker_exit(server, worker):
    say("worker_exit", pid=worker.pid == os.getpid(), cfg=server.cfg is worker.cfg)
def child_exit(server, worker):
    say("child_exit", pid=isinstance(worker.pid, int), booted=worker.booted)
def nworkers_changed(server, new, old):
    say("nworkers_changed", new=new, old=old)
def pre_exec(server):
    say("pre_exec", reexec=server.reexec_pid)
def on_exit(server):
    say("on_exit", workers=len(server.WORKERS))
def pre_request(worker, req):
    say("pre_request", method=req.method, uri=req.uri, path=req.path, query=req.query,
        version=req.version, host=dict(req.headers)["HOST"], scheme=req.scheme,
        number=req.req_number, close=req.should_close(), proxied=req.proxy_protocol_info)
def post_request(worker, req, environ, resp):
    say("post_request", method=req.method, path=environ["PATH_INFO"], status=resp.status,
        code=resp.status_code, sent=resp.sent, length=resp.response_length,
        headers=dict(resp.headers)["Content-Length"], headers_sent=resp.headers_sent)
def ssl_context(config, factory):
    say("ssl_context")
def on_dirty_starting(arbiter):
    say("on_dirty_starting")
def dirty_post_fork(arbiter, worker):
    say("dirty_post_fork")
def dirty_worker_init(worker):
    say("dirty_worker_init")
def dirty_worker_exit(arbiter, worker):
    say("dirty_worker_exit")
"""


def calls(master):
    """What the hooks have written."""
    return [json.loads(line) for line in (master.folder / "hooks").read_text().splitlines()]


def names(master):
    """The hooks in their order, those in workers with a star."""
    return [hook if in_master else f"{hook}*" for hook, in_master, _ in calls(master)]


def seen(master, hook):
    """What the last call of a hook saw."""
    return [seen for name, _, seen in calls(master) if name == hook][-1]


@pytest.fixture
def hooked(start):
    """A server whose configuration file has every hook; it has one worker."""

    def hooked(*arguments, **options):
        master = start("--pid", "pid", *arguments, config=CONFIG, bind=None, **options)
        master.up(1)
        # The client may have its answer before.
        until(lambda: names(master)[-1] == "post_request*", "the end of the request")
        return master

    return hooked


def test_every_hook_runs_in_its_order_and_process(hooked):
    master = hooked()
    assert master.connect().get("/pid?a=b").status == 200
    master.send("TERM")
    assert master.exit_status() == 0
    begun = ["nworkers_changed", "on_starting", "when_ready", "pre_fork", "post_fork*"]
    # up() asks once as well.
    request = ["pre_request*", "post_request*"]
    ended = ["worker_exit*", "child_exit", "on_exit"]
    assert names(master) == [*begun, "post_worker_init*", *request, *request, *ended]


def test_hooks_get_the_objects_that_the_documents_name(hooked):
    master = hooked("--timeout", "9")
    assert master.connect().get("/pid?a=b").status == 200
    master.send("TERM")
    assert master.exit_status() == 0
    assert seen(master, "nworkers_changed") == {"new": 1, "old": None}
    assert seen(master, "on_starting") == {
        "pid": True,
        "listeners": 0,
        "address": ["s"],
        "name": "Master",
        "workers": 0,
        "proc_name": "hooked",
        "pidfile": True,
        "systemd": False,
        "reexec": 0,
        "context": ["0", "args", "cwd"],
    }
    ready = seen(master, "when_ready")
    assert ready.pop("worker_class").endswith("Worker")
    assert ready == {"listeners": ["unix:s"], "target": 1, "timeout": 9, "age": 0}
    assert seen(master, "pre_fork") == {
        "pid": "[booting]",
        "age": 1,
        "ppid": True,
        "timeout": 4.5,
        "text": "<Worker [booting]>",
        "sockets": 1,
    }
    assert seen(master, "post_fork") == {"pid": True, "booted": False}
    assert seen(master, "post_worker_init") == {
        "callable": True,
        "alive": True,
        "nr": 0,
        "aborted": False,
        "app": True,
        "log": True,
        "pipe": 2,
        "heartbeat": True,
    }
    request = seen(master, "pre_request")
    assert request.pop("host")
    assert request == {
        "method": "GET",
        "uri": "/pid?a=b",
        "path": "/pid",
        "query": "a=b",
        "version": [1, 1],
        "scheme": "http",
        "number": 1,
        "close": False,
        "proxied": None,
    }
    response = seen(master, "post_request")
    length = response["sent"]
    assert response == {
        "method": "GET",
        "path": "/pid",
        "status": "200 OK",
        "code": 200,
        "sent": length,
        "length": length,
        "headers": str(length),
        "headers_sent": True,
    }
    assert seen(master, "worker_exit") == {"pid": True, "cfg": True}
    assert seen(master, "child_exit") == {"pid": True, "booted": False}
    assert seen(master, "on_exit") == {"workers": 0}


def test_hooks_of_a_reload(hooked):
    master = hooked()
    before = set(master.workers)
    master.send("HUP")
    master.replaced(before, 1)
    # "nworkers_changed" once more: every assignment counts.
    order = [name for name in names(master) if not name.endswith("*") and name != "child_exit"]
    start = ["nworkers_changed", "on_starting", "when_ready", "pre_fork"]
    assert order == [*start, "nworkers_changed", "on_reload", "pre_fork"]
    master.wait_for_log("Worker exiting")
    assert seen(master, "on_reload") == {"kept": "hooked"}


def is_asleep(pid):
    """The process waits for something."""
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "S"


def test_hooks_of_signals(hooked):
    master = hooked()
    (worker,) = master.workers
    os.kill(worker, 3)
    master.replaced({worker}, 1)
    order = names(master)
    at = order.index("worker_int*")
    assert order[at : at + 3] == ["worker_int*", "worker_exit*", "child_exit"]
    assert seen(master, "worker_int") == {"alive": False}
    (worker,) = master.workers
    master.up(1)
    until(lambda: names(master)[-1] == "post_request*", "the end of the request")
    until(lambda: is_asleep(worker), "a worker with nothing to do")
    os.kill(worker, 6)
    master.replaced({worker}, 1)
    order = names(master)
    at = order.index("worker_abort*")
    assert order[at : at + 3] == ["worker_abort*", "worker_exit*", "child_exit"]
    master.send("TTIN")
    master.wait_for_log("Handling signal: ttin")
    master.up(2)
    assert seen(master, "nworkers_changed") == {"new": 2, "old": 1}


def test_the_hook_before_an_upgrade(hooked):
    master = hooked()
    master.send("USR2")
    new = master.pid_in("pid.2")
    assert new != master.pid
    assert seen(master, "pre_exec") == {"reexec": 0}
    # Neither master nor worker: a child of the master that becomes the next one.
    assert "pre_exec*" in names(master)


REQUEST_HOOKS = """
import sys

def pre_request(worker, req):
    print("pre_request", req.path, file=sys.stderr, flush=True)
    if req.path == "/refused":
        raise RuntimeError("refused by a hook")

def post_request({parameters}):
    print("post_request", {shown}, file=sys.stderr, flush=True)
    if req.path == "/after":
        raise RuntimeError("raised after it")
"""
ALL = ("worker, req, environ, resp", "req.path, sorted(environ)[:1], resp and resp.status")


def test_a_pre_request_that_raises_is_a_500(start):
    master = start(config=REQUEST_HOOKS.format(parameters=ALL[0], shown=ALL[1]))
    (worker,) = master.up(1)
    assert master.connect().get("/refused").status == 500
    log = master.wait_for_log("post_request /refused")
    assert "RuntimeError: refused by a hook" in log
    assert "post_request /refused [] None\n" in log
    assert master.workers == [worker]


def test_a_post_request_that_raises_is_logged(start):
    master = start(config=REQUEST_HOOKS.format(parameters=ALL[0], shown=ALL[1]))
    (worker,) = master.up(1)
    assert master.connect().get("/after").status == 200
    log = master.wait_for_log("RuntimeError: raised after it")
    assert "Exception in post_request hook" in log
    assert master.connect().get("/again").status == 200
    assert master.workers == [worker]


@pytest.mark.parametrize(
    ("parameters", "shown"),
    [("worker, req", "req.path"), ("worker, req, environ", "environ['PATH_INFO']"), ALL],
)
def test_post_request_gets_as_much_as_it_takes(start, parameters, shown):
    master = start(config=REQUEST_HOOKS.format(parameters=parameters, shown=shown))
    master.up(1)
    assert master.connect().get("/some").status == 200
    master.wait_for_log("post_request /some")


def test_request_hooks_do_not_run_for_what_is_no_request(start):
    master = start(config=REQUEST_HOOKS.format(parameters=ALL[0], shown=ALL[1]))
    master.up(1)
    ran = master.log.count("pre_request")
    with master.connect() as connection:
        connection.send(b"GET /nonsense\x00 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.receive().status == 400
    assert master.log.count("pre_request") == ran


@pytest.mark.beyond_gunicorn
def test_request_hooks_see_what_a_proxy_said(start):
    config = (
        "def pre_request(worker, req): print(sorted(req.proxy_protocol_info.items()), flush=True)"
    )
    master = start("--proxy-protocol", "v1", config=config)
    master.wait_for_log("Booting worker")
    with master.connect() as connection:
        connection.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 80\r\n")
        assert connection.get("/").status == 200
    expected = (
        "[('client_addr', '192.0.2.1'), ('client_port', 4000), ('proxy_addr', '192.0.2.2'), "
        "('proxy_port', 80), ('proxy_protocol', 'TCP4')]"
    )
    assert expected in master.log


def test_a_worker_exit_that_raises_is_a_warning(start):
    master = start(config="def worker_exit(server, worker): raise ValueError('hooked')\n")
    master.up(1)
    master.send("TERM")
    assert master.exit_status() == 0
    assert "[WARNING] Exception during worker exit" in master.log
    assert "ValueError: hooked" in master.log


@pytest.mark.parametrize("name", ["SIGINT", "SIGQUIT"])
def test_worker_int_is_also_called_in_a_worker_that_still_boots(start, name):
    config = f"""
import os, signal

def post_fork(server, worker):
    if worker.age == 1:
        os.kill(os.getpid(), signal.{name})

def worker_int(worker):
    print("worker_int of", worker.age, worker.alive, flush=True)
"""
    master = start(config=config)
    master.wait_for_log("worker_int of 1 False")
    master.up(1)


def test_hooks_may_be_named(start, tmp_path):
    (tmp_path / "site_hooks.py").write_text("def ready(server): server.log.info('named')\n")
    environment = {"PYTHONPATH": str(tmp_path)}
    master = start(config="when_ready = 'site_hooks.ready'\n", environment=environment)
    master.up(1)
    assert "[INFO] named\n" in master.log


def test_hooks_may_use_what_the_server_offers(start):
    """A hook as people write them: on a change of the number, from the master."""
    config = """
import signal
def when_ready(server):
    server.num_workers = 3
    server.log.log("info", "%s of %s", server.num_workers, server.cfg.settings["workers"].get())
    server.cfg.set("keepalive", 5)
def child_exit(server, worker):
    server.log.info("gone %s %s", worker.age, worker.pid in server.WORKERS)
def post_worker_init(worker):
    worker.notify()
"""
    master = start(config=config)
    workers = master.up(3)
    assert "[INFO] 3 of 1\n" in master.log
    os.kill(min(workers), 15)
    master.wait_for_log("gone ")
    assert IS_GUNICORN or " False" in master.log
