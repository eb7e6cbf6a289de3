"""Where a server listens: every kind of address, and sockets that others have opened."""

import os
import socket
import stat
import subprocess
import sys

import pytest

from support import process
from support.client import Connection
from support.master import Master
from support.server import IS_GUNICORN, NAME, clean_environment
from support.wait import until


def listening(master):
    """The addresses that the log announces."""
    log = master.wait_for_log("Listening at: ")
    return log.partition("Listening at: ")[2].partition(" (")[0].split(",")


def port_of(address):
    return int(address.rpartition(":")[2])


def test_several_addresses_at_once(start):
    master = start("--bind", "127.0.0.1:0", "--bind", "unix:t", "--bind", "localhost:0")
    master.up(1)
    first, tcp, second, named = listening(master)
    assert (first, second) == ("unix:s", "unix:t")
    for address in [tcp, named]:
        assert master.answers(address=("127.0.0.1", port_of(address)))
    assert master.answers(address=str(master.folder / "t"))


def test_ipv6(start):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    master = start("--bind", "[::1]:0")
    master.up(1)
    (_, address) = listening(master)
    assert address.startswith("http://[::1]:")
    with socket.create_connection(("::1", port_of(address))) as connection:
        connection.sendall(b"GET /pid HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize(("arguments", "mode"), [([], 0o777), (["--umask", "027"], 0o750)])
def test_the_socket_file(start, arguments, mode):
    master = start(*arguments)
    master.up(1)
    file = master.folder / "s"
    assert stat.S_IMODE(file.stat().st_mode) == mode
    master.send("TERM")
    assert master.exit_status() == 0
    assert not file.exists()


def test_a_stale_socket_file_is_replaced(start, tmp_path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "s"))
    start().up(1)


def test_a_plain_file_is_not_replaced(start, tmp_path):
    (tmp_path / "s").write_text("precious")
    master = start()
    assert master.exit_status() == 1
    assert (tmp_path / "s").read_text() == "precious"


@pytest.mark.beyond_gunicorn
def test_the_socket_file_of_a_successor_is_left_alone(start, tmp_path):
    first = start()
    first.up(1)
    (tmp_path / "other").mkdir()
    with Master(tmp_path / "other", bind=f"unix:{tmp_path / 's'}") as second:
        until(lambda: "READY=1" in second.messages, "the second server")
        first.send("TERM")
        assert first.exit_status() == 0
        assert second.answers(address=str(tmp_path / "s"))


def test_abstract_names_are_inherited_too(start):
    name = f"\0oxicorn-test-{os.getpid()}"
    master = start(bind=None, config=f"bind = 'unix:' + {name!r}\n")
    assert until(lambda: master.answers(address=name), "an answer")


def test_given_descriptors(start):
    with socket.socket() as given:
        given.bind(("127.0.0.1", 0))
        given.listen()
        fd, address = given.fileno(), given.getsockname()
        master = start("--bind", "127.0.0.1:1", bind=f"fd://{fd}", pass_fds=[fd])
        # The ordinary address is not bound then: nobody but root could.
        assert until(lambda: master.answers(address=address), "an answer")
        assert listening(master) == [f"http://127.0.0.1:{address[1]}"]


def test_a_descriptor_that_is_no_socket(start):
    master = start(bind="fd://77")
    assert master.exit_status() == 1


def test_an_address_in_use(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        master = start("--pid", "pid", bind=f"127.0.0.1:{port}")
        assert master.exit_status() == 1
    assert f"[ERROR] Connection in use: ('127.0.0.1', {port})\n" in master.log
    assert "connection to ('127.0.0.1'" in master.log
    assert "[Errno 98] Address already in use" in master.log
    assert f"[ERROR] Can't connect to ('127.0.0.1', {port})\n" in master.log
    assert "Traceback" not in master.log
    assert IS_GUNICORN or not (master.folder / "pid").exists()


def test_an_address_of_somebody_else(start):
    master = start(bind="192.0.2.1:8000")
    assert master.exit_status() == 1
    assert "Invalid address: ('192.0.2.1', 8000)" in master.log


def test_reuse_port(start, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    master = start("--reuse-port", "--workers", "2", bind=f"127.0.0.1:{address[1]}")
    assert until(lambda: master.answers(address=address), "an answer")
    assert listening(master) == [""]
    before = set(master.workers)
    master.send("HUP")
    master.replaced(before, 2)
    assert until(lambda: master.answers(address=address), "an answer after the reload")


ACTIVATE = """
import os, sys
count = len(sys.argv[1].split(","))
for position, fd in enumerate(map(int, sys.argv[1].split(",")), 3):
    os.dup2(fd, position, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(count))
os.execv(sys.executable, [sys.executable, "-m", *sys.argv[2:]])
"""


@pytest.fixture
def activated(tmp_path):
    """A server with two sockets from a service manager: the process, and the addresses."""
    tcp, unix = socket.socket(), socket.socket(socket.AF_UNIX)
    tcp.bind(("127.0.0.1", 0))
    unix.bind(str(tmp_path / "activated"))
    for given in (tcp, unix):
        given.listen()
    fds = [tcp.fileno(), unix.fileno()]
    log = (tmp_path / "log").open("wb")
    # Run as any other server, only by way of the little program.
    command = [sys.executable, "-c", ACTIVATE, ",".join(map(str, fds)), NAME]
    apps = os.path.join(os.path.dirname(__file__), "apps")
    server = subprocess.Popen(
        [*command, "--pid", "pid", "--bind", "unix:ignored", "process:application"],
        cwd=tmp_path,
        env=clean_environment() | {"PYTHONPATH": apps},
        pass_fds=fds,
        stdout=log,
        stderr=log,
        stdin=subprocess.DEVNULL,
    )
    yield server, tcp.getsockname(), str(tmp_path / "activated")
    for pid in [*process.children(server.pid), server.pid]:
        if server.poll() is None:
            os.kill(pid, 9)
    server.wait()
    log.close()
    tcp.close()
    unix.close()


def test_socket_activation(activated, tmp_path):
    server, tcp, unix = activated
    for address in (tcp, unix):
        with Connection(address) as connection:
            assert connection.get("/env/LISTEN_FDS").text == "<missing>"
    assert not (tmp_path / "ignored").exists()
    server.terminate()
    assert server.wait(20) == 0
    assert os.path.exists(unix), "the service manager's file"


@pytest.mark.skipif(IS_GUNICORN, reason="slow there")
def test_an_upgrade_under_socket_activation(activated, tmp_path):
    server, tcp, unix = activated
    with Connection(tcp) as connection:
        connection.get("/pid")
    os.kill(server.pid, 12)
    new = int(
        until(lambda: (tmp_path / "pid.2").exists() and (tmp_path / "pid.2").read_text(), "x")
    )
    until(lambda: process.children(new), "its workers")
    server.terminate()
    assert server.wait(20) == 0
    try:
        for address in (tcp, unix):
            with Connection(address) as connection:
                assert connection.get("/pid").pid in process.children(new)
    finally:
        os.kill(new, 15)
        until(lambda: not os.path.exists(f"/proc/{new}/task/{new}/children"), "its end")
    assert os.path.exists(unix)
