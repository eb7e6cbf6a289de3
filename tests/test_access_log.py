"""The access log, seen from outside: its lines, who writes them, and that nobody can forge one."""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys

import pytest

from support import process
from support.client import Connection
from support.server import APPS, IS_ASGI, NAME, WSGI_CLASSES, clean_environment
from support.wait import until

APP = "logged:application"
# What the application puts into its environ; it has none over ASGI.
WORD = None if IS_ASGI else "mine"
LINE = re.compile(
    r"^127\.0\.0\.1 - (\S+) \[\d\d/[A-Z][a-z]{2}/\d{4}(?::\d\d){3} [+-]\d{4}\]"
    r' "((?:[^"\\]|\\.)*)" (\d{3}) (\d+) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"$'
)


def lines(path, count):
    """Wait for that many lines."""
    until(lambda: path.exists() and path.read_bytes().count(b"\n") >= count, f"{count} lines")
    return path.read_bytes().decode("ascii").splitlines()


@pytest.fixture
def log(tmp_path):
    """Where the log goes."""
    return tmp_path / "access.log"


def test_a_line_shows_at_once(serve, log):
    server = serve(APP, "--access-logfile", log)
    with server.connect() as connection:
        for count in range(1, 6):
            connection.get(f"/{count}")
            assert f'"GET /{count} HTTP/1.1" 200 5 "-" "-"' in lines(log, count)[-1]


def test_standard_output_with_several_workers(serve):
    server = serve(APP, "--access-logfile", "-", workers=3)
    for number in range(30):
        server.get(f"/n{number}")
    until(lambda: server.log.count(" 200 5 ") == 30, "30 lines")
    found = [line for line in server.log.splitlines() if " 200 5 " in line]
    assert all(LINE.match(line) for line in found)


def test_threads_share_the_log(serve, log):
    server = serve(APP, "--threads", 4, "--access-logfile", log)
    connections = [server.connect() for _ in range(8)]
    for turn in range(5):
        for number, connection in enumerate(connections):
            connection.send(f"GET /t{turn}n{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for connection in connections:
            assert connection.receive().status == 200
    found = [LINE.match(line) for line in lines(log, 40)]
    assert len(found) == 40 and all(found)


def test_atoms(serve, log):
    form = (
        "%(m)s %(U)s %(q)s %(H)s %(s)s %(B)s %(b)s %({x-FOO}i)s %({content-type}o)s %({app.word}e)s "
        "%({server}o)s %(zz)s %(p)s %(T)d %(L)s"
    )
    server = serve(APP, "--access-logfile", log, "--access-logformat", form)
    response = server.get("/a%20%22b?q=1", [("X-Foo", "1"), ("X-Foo", "2")])
    expected = (
        rf"GET /a \"b q=1 HTTP/1.1 200 5 5 2 text/plain {WORD or '-'} - - <{response.pid}> 0 0."
    )
    [line] = lines(log, 1)
    assert line.startswith(expected) and re.search(r" 0\.\d{6}$", line)


def test_a_format_for_python_gives_the_same(serve, log):
    form = "%(h)-12s|%(U)s|%(q)s|%({user-agent}i)s|%({x-pid}o)s|%({APP.word}e)s|%(s)s|%(b)s|%(u)s"
    server = serve(APP, "--access-logfile", log, "--access-logformat", form)
    headers = [("User-Agent", 'a"b\\c\x7f'), ("Authorization", "Basic dXNlcjpwdw==")]
    response = server.get("/%0a?x", headers[:1] + headers[1:])
    assert response.status in (200, 400)
    server.get("/%0a%22?x", [("User-Agent", 'a"b\\c\xe9'), headers[1]])
    line = lines(log, 2)[-1]
    assert re.fullmatch(
        r'127\.0\.0\.1   \|/\\x0a\\"\|x\|a\\"b\\\\c\\xe9\|\d+\|(mine|-)\|200\|5\|user', line
    )
    assert f"|{WORD or '-'}|" in line


def test_an_invalid_format_is_an_error_a_request(serve, log):
    server = serve(APP, "--access-logfile", log, "--access-logformat", "%(s)d")
    assert server.get("/").status == 200
    server.wait_for_log("TypeError")


@pytest.mark.beyond_gunicorn
def test_refused_requests_have_a_line(serve, log):
    server = serve(APP, "--access-logfile", log)
    for message in (
        b"bad\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost : x\r\n\r\n",
        b"POST /cl HTTP/1.1\r\nHost: x\r\nContent-Length: z\r\n\r\n",
        b"POST /ch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b'\x16\x03\x01"\n\n',
    ):
        with server.connect() as connection:
            connection.send(message)
            connection.receive()
    told = [LINE.match(line).group(2, 3) for line in lines(log, 5)]
    assert told == [
        ("bad", "400"),
        ("GET /x HTTP/1.1", "400"),
        ("POST /cl HTTP/1.1", "400"),
        ("POST /ch HTTP/1.1", "400"),
        (r"\x16\x03\x01\"", "400"),
    ]


def test_failures_of_the_application_have_a_line(serve, log):
    server = serve(APP, "--access-logfile", log)
    assert server.get("/raise").status == 500
    assert '"GET /raise HTTP/1.1" 500 0 ' in lines(log, 1)[0]


@pytest.mark.beyond_gunicorn
def test_json(serve, log):
    server = serve(
        APP, "--access-logfile", log, "--access-logformat", "json", "--forwarded-allow-ips", "*"
    )
    headers = [
        ("User-Agent", 'x"\\\xc3\xa9'),
        ("X-Request-ID", "r-1"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("X-Request-Start", "t=1.5"),
    ]
    server.get("/%C3%A9?a=b", headers)
    server.get("/raise")
    first, second = map(json.loads, lines(log, 2))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("timestamp"))
    assert first.pop("application_ms") == first.pop("total_ms") >= 0
    assert first.pop("process.pid") in server.workers
    assert first == {
        "client.address": "127.0.0.1",
        "http.request.method": "GET",
        "url.path": "/é",
        "url.query": "a=b",
        "network.protocol.version": "1.1",
        "user_agent.original": 'x"\\é',
        "request_id": "r-1",
        "traceparent": headers[2][1],
        "http.response.status_code": 200,
        "http.response.body.size": 5,
    }
    assert (second["http.response.status_code"], second["error.type"]) == (500, "application_error")


@pytest.mark.beyond_gunicorn
@pytest.mark.parametrize("through", ["core", "python"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_no_line_can_be_forged(serve, log, tmp_path, form, through):
    arguments = ["--access-logformat", "json"] if form == "json" else []
    if through == "python":
        arguments += ["--logger-class", "loggers.WithAtoms", "--pythonpath", APPS]
    server = serve(APP, "--access-logfile", log, *arguments)
    count = 10_000 if through == "core" else 1000
    random.seed(7)
    sent = send_hostile(server, count)
    found = lines(log, count)
    assert len(found) == count
    assert not re.search(rb"[^\x20-\x7e\n]", log.read_bytes())
    if form == "json":
        entries = [json.loads(line) for line in found]
        assert [entry["http.response.status_code"] for entry in entries] == sent
        return
    assert [int(LINE.match(line)[3]) for line in found] == sent


def send_hostile(server, count):
    """Send requests with any bytes where a client may put some; the statuses."""
    statuses = []
    connection = server.connect()
    for _ in range(count):
        path, query, agent, referer = (random.randbytes(random.randrange(40)) for _ in range(4))
        encoded = "".join(f"%{byte:02x}" for byte in path).encode()
        connection.send(
            b"GET /%b?%b HTTP/1.1\r\nHost: x\r\nUser-Agent: %b\r\nReferer: %b\r\n\r\n"
            % (encoded, target_bytes(query), field_bytes(agent), field_bytes(referer))
        )
        statuses.append(connection.receive().status)
        if statuses[-1] != 200:
            connection.close()
            connection = server.connect()
    return statuses


def target_bytes(data):
    """Bytes that do not end the request line."""
    return data.translate(None, b"\r\n \x00")


def field_bytes(data):
    """Bytes that do not end a field; control bytes in one of ten, which are refused."""
    wanted = b"\r\n\x00" if random.random() < 0.1 else bytes([*range(9), *range(10, 32), 127])
    return data.translate(None, wanted + b"\r\n")


@pytest.mark.beyond_gunicorn
def test_a_reader_that_does_not_read_stops_nothing(tmp_path):
    reader, writer = os.pipe()
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", NAME, "--chdir", str(APPS), "--bind", f"unix:{tmp_path}/s"),
            *("--access-logfile", "-", "--access-logformat", "x" * 1000 + " %(U)s", APP),
        ],
        cwd=tmp_path,
        stdout=writer,
        stderr=(tmp_path / "log").open("wb"),
        env=clean_environment(),
    )
    os.close(writer)
    try:
        until(lambda: (tmp_path / "s").exists(), "the socket")
        with Connection(str(tmp_path / "s")) as connection:
            for number in range(3000):
                assert connection.get(f"/{number}").status == 200
        told = read_until_reported(reader, tmp_path / "log")
        assert all(re.fullmatch(r"x{1000} /\d+", line) for line in told)
        found = re.search(
            r"(\d+) lines of the access log were dropped", (tmp_path / "log").read_text()
        )
        assert int(found[1]) + len(told) == 3000
    finally:
        server.send_signal(signal.SIGQUIT)
        os.close(reader)
        server.wait(10)


def read_until_reported(reader, log):
    """Read until the server says what it dropped: then it has written all the rest."""
    os.set_blocking(reader, False)
    parts = []

    def read():
        with contextlib.suppress(BlockingIOError):
            while part := os.read(reader, 1 << 16):
                parts.append(part)

    def is_reported():
        is_there = "were dropped" in log.read_text()
        read()
        return is_there

    until(is_reported, "the report")
    return b"".join(parts).decode().splitlines()


def test_usr1_opens_the_file_anew(start, tmp_path):
    server = start("--access-logfile", "access.log", app=APP)
    server.up()
    server.answers("/one")
    until(lambda: "/one" in (tmp_path / "access.log").read_text(), "the first line")
    (tmp_path / "access.log").rename(tmp_path / "old.log")
    server.send("USR1")
    until((tmp_path / "access.log").exists, "a new file")
    worker = next(iter(server.workers))
    new = str(tmp_path / "access.log")
    until(lambda: new in process.open_files(worker), "the worker's new file")
    server.answers("/two")
    until(lambda: "/two" in (tmp_path / "access.log").read_text(), "the second line")
    assert "/two" not in (tmp_path / "old.log").read_text()


def test_a_filter_that_the_application_adds_holds(serve, log):
    server = serve(APP, "--access-logfile", log, "--access-logformat", "%(U)s")
    server.get("/filter")
    lines(log, 1)

    def filtered():
        server.get("/secret")
        server.get("/mark")
        return log.read_text().splitlines()[-2:] == ["/mark", "/mark"]

    until(filtered, "the filter")


@pytest.mark.parametrize("name", ["WithAtoms", "Own"])
def test_logger_classes(serve, log, name):
    server = serve(
        APP,
        *("--pythonpath", APPS, "--logger-class", f"loggers.{name}", "--access-logfile", log),
        *("--access-logformat", "%(shout)s %(s)s"),
    )
    response = server.get("/path?x", [("User-Agent", "me")])
    [line] = lines(log, 1)
    if name == "WithAtoms":
        assert line == "/PATH 200"
        return
    assert json.loads(line) == {
        "status": "200 OK",
        "sent": 5,
        "headers": {"Content-Type": "text/plain", "X-Pid": str(response.pid)},
        "method": "GET",
        "uri": "/path?x",
        "agent": "me",
        "word": WORD,
        "is_time": True,
    }


@pytest.mark.parametrize("threads", [1, 4])
def test_no_line_is_lost_at_the_end(serve, log, threads):
    server = serve(APP, "--access-logfile", log, "--threads", threads)
    with server.connect() as connection:
        for _ in range(20):
            connection.get("/")
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(10)
    assert log.read_bytes().count(b"\n") == 20


@pytest.mark.beyond_gunicorn
@pytest.mark.over(*WSGI_CLASSES, reason="an ASGI application need not wait for the body")
def test_a_body_that_its_client_cuts_off_has_a_line(serve, log):
    server = serve(APP, "--access-logfile", log)
    with server.connect() as connection:
        connection.send(
            b"POST /cut HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"
        )
    assert '"POST /cut HTTP/1.1" 499 0 ' in lines(log, 1)[0]


@pytest.mark.beyond_gunicorn
@pytest.mark.over(*WSGI_CLASSES, reason="an ASGI application has the request before it is whole")
def test_requests_that_never_end_have_a_line(serve, log):
    server = serve(APP, "--access-logfile", log, "--graceful-timeout", 1)
    with server.connect() as connection:
        connection.send(b"POST /half HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        until(lambda: server.get("/up").status == 200, "a turn of the loop")
        server.process.send_signal(signal.SIGTERM)
        assert 'POST /half HTTP/1.1" 408 0 ' in lines(log, 2)[-1]
