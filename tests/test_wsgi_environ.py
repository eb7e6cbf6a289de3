"""The environ that an application sees."""

import json
import socket

import pytest

from support.client import Connection, message
from support.server import NAME, WSGI_CLASSES

wsgi = pytest.mark.over(*WSGI_CLASSES, reason="a scope has nothing like it")


@pytest.fixture(scope="module")
def server(serve_module):
    return serve_module("echo:application", unix=True)


def seen(response):
    assert response.status == 200, response
    return json.loads(response.body)


def environ(response):
    return seen(response)["environ"]


def raw(server, data):
    with server.connect() as connection:
        connection.send(data)
        return environ(connection.receive())


@wsgi
def test_the_request_line(server):
    found = environ(server.get("/a%20b/%C3%A9//c;d?x=%20&y=/?#z"))
    assert found["REQUEST_METHOD"] == "GET"
    assert found["SCRIPT_NAME"] == ""
    assert found["PATH_INFO"] == "/a b/\xc3\xa9//c;d"
    assert found["QUERY_STRING"] == "x=%20&y=/?"
    assert found["RAW_URI"] == "/a%20b/%C3%A9//c;d?x=%20&y=/?#z"
    assert found["SERVER_PROTOCOL"] == "HTTP/1.1"


@wsgi
@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("//double//slash", "//double//slash", ""),
        ("/%2F%3f%25", "//?%", ""),
        ("/%zz%", "/%zz%", ""),
        ("/a/../b/./c", "/a/../b/./c", ""),
        ("/?", "/", ""),
        ("/??", "/", "?"),
        ("http://other.example/path?q", "/path", "q"),
    ],
)
def test_targets(server, target, path, query):
    found = environ(server.get(target))
    assert (found["PATH_INFO"], found["QUERY_STRING"]) == (path, query)
    assert found["RAW_URI"] == target


@wsgi
def test_options_of_the_whole_server(server):
    with server.connect() as connection:
        found = environ(connection.request("OPTIONS", "*"))
    assert found["RAW_URI"] == "*"


def test_fields(server):
    found = environ(
        server.get(
            "/",
            [
                ("X-One", "1"),
                ("x-one", "2"),
                ("Cookie", "a=1"),
                ("Cookie", "b=2"),
                ("Connection", "keep-alive"),
                ("X-Blank", "  in the  middle \t"),
                ("X-Latin", "caf\xe9"),
                ("X-Empty", ""),
            ],
        )
    )
    assert found["HTTP_HOST"] == "test.example"
    assert found["HTTP_X_ONE"] == "1,2"
    assert found["HTTP_COOKIE"] == "a=1,b=2"
    assert found["HTTP_CONNECTION"] == "keep-alive"
    assert found["HTTP_X_BLANK"] == "in the  middle"
    assert found["HTTP_X_LATIN"] == "caf\xe9"
    assert found["HTTP_X_EMPTY"] == ""
    assert "CONTENT_TYPE" not in found
    assert "CONTENT_LENGTH" not in found


def test_content_type_and_length_have_names_of_their_own(server):
    found = environ(server.post("/", b"{}", [("Content-Type", "application/json; a=b")]))
    assert found["CONTENT_TYPE"] == "application/json; a=b"
    assert found["CONTENT_LENGTH"] == "2"
    assert "HTTP_CONTENT_TYPE" not in found
    assert "HTTP_CONTENT_LENGTH" not in found


def test_a_name_with_an_underscore_is_dropped(server):
    found = environ(server.get("/", [("X_Under", "forged"), ("X-Under", "real")]))
    assert found["HTTP_X_UNDER"] == "real"
    assert "HTTP_X_UNDER" not in environ(server.get("/", [("X_Under", "forged")]))


def test_nothing_of_one_request_is_left_for_the_next(server):
    with server.connect() as connection:
        first = [("X-Secret", "1"), ("Content-Type", "text/secret")]
        connection.request("POST", "/first?query", first, b"body")
        found = seen(connection.get("/second"))
    assert "HTTP_X_SECRET" not in found["environ"]
    assert "CONTENT_TYPE" not in found["environ"]
    assert "CONTENT_LENGTH" not in found["environ"]
    assert found["environ"]["QUERY_STRING"] == ""
    assert found["body"] == ""


def test_addresses(server):
    with server.connect() as connection:
        own = connection.socket.getsockname()
        found = environ(connection.get("/"))
    assert (found["REMOTE_ADDR"], found["REMOTE_PORT"]) == ("127.0.0.1", str(own[1]))
    assert (found["SERVER_NAME"], found["SERVER_PORT"]) == ("127.0.0.1", str(server.address[1]))


@wsgi
def test_addresses_of_a_unix_socket(server):
    found = environ(server.get("/", unix=True))
    assert found["REMOTE_ADDR"] == ""
    assert "REMOTE_PORT" not in found
    assert (found["SERVER_NAME"], found["SERVER_PORT"]) == ("test.example", "80")
    with server.connect(unix=True) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: other.example:8080\r\n\r\n")
        found = environ(connection.receive())
        assert (found["SERVER_NAME"], found["SERVER_PORT"]) == ("other.example", "8080")
        connection.send(b"GET / HTTP/1.0\r\n\r\n")
        found = environ(connection.receive())
        assert (found["SERVER_NAME"], found["SERVER_PORT"]) == (server.unix_path, "")


@wsgi
def test_what_the_server_says_of_itself(server):
    found = seen(server.get("/"))
    assert found["environ"]["SERVER_SOFTWARE"].startswith(f"{NAME}/")
    assert found["environ"]["wsgi.url_scheme"] == "http"
    others = found["others"]
    assert others["wsgi.version"] == "(1, 0)"
    assert others["wsgi.run_once"] == "False"
    assert others["wsgi.multiprocess"] == "False"
    assert others["wsgi.input_terminated"] == "True"
    for name in ("wsgi.input", "wsgi.errors", "wsgi.file_wrapper", "wsgi.early_hints"):
        assert name in others
    assert "socket" in others["gunicorn.socket"]
    for name in ("REMOTE_HOST", "REMOTE_USER", "GATEWAY_INTERFACE", "SERVER_ADMIN"):
        assert name not in found["environ"]


@wsgi
def test_a_connection_ends_though_the_application_keeps_its_socket(serve):
    server = serve("keeping:application")
    with server.connect() as connection:
        connection.send(message("GET", "/", [("Connection", "close")]))
        assert connection.receive().text == "kept"
        assert connection.is_closed()


@pytest.mark.beyond_gunicorn
@pytest.mark.over("sync", reason="other classes run requests at the same time")
def test_sync_has_one_thread(server):
    assert seen(server.get("/"))["others"]["wsgi.multithread"] == "False"


@wsgi
def test_several_workers_are_multiprocess(serve):
    server = serve("echo:application", workers=2)
    assert seen(server.get("/"))["others"]["wsgi.multiprocess"] == "True"


@wsgi
def test_script_name_of_the_environment(serve):
    server = serve("echo:application", environment={"SCRIPT_NAME": "/mounted"})
    found = environ(server.get("/mounted/path"))
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == ("/mounted", "/path")
    assert server.get("/elsewhere").status == 500


def test_a_trusted_peer_names_scheme_and_script(server):
    """127.0.0.1 is trusted by default, a unix socket always."""
    for unix in (False, True):
        forwarded = [("X-Forwarded-Proto", "https"), ("Script_Name", "/app")]
        found = environ(server.get("/app/path", forwarded, unix=unix))
        assert found["wsgi.url_scheme"] == "https"
        assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == ("/app", "/path")
        plain = environ(server.get("/", [("X-Forwarded-Proto", "http")], unix=unix))
        assert plain["wsgi.url_scheme"] == "http"


def test_contradicting_scheme_fields_are_refused(server):
    fields = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Ssl", "off")]
    assert server.get("/", fields).status == 400


def test_an_untrusted_peer_names_nothing(serve):
    server = serve("echo:application", "--forwarded-allow-ips", "10.0.0.1")
    found = environ(server.get("/app", [("X-Forwarded-Proto", "https"), ("Script_Name", "/app")]))
    assert found["wsgi.url_scheme"] == "http"
    assert found["HTTP_X_FORWARDED_PROTO"] == "https"
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == ("", "/app")
    assert found["REMOTE_ADDR"] == "127.0.0.1"


def test_forwarded_for_changes_no_address(server):
    fields = [
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Real-IP", "1.2.3.4"),
        ("Forwarded", "for=1.2.3.4"),
    ]
    assert environ(server.get("/", fields))["REMOTE_ADDR"] == "127.0.0.1"


def test_http_1_0_without_host(server):
    found = raw(server, b"GET / HTTP/1.0\r\n\r\n")
    assert found["SERVER_PROTOCOL"] == "HTTP/1.0"
    assert "HTTP_HOST" not in found


def test_an_ipv6_peer(serve):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            port = probe.getsockname()[1]
    except OSError:
        pytest.skip("this machine has no IPv6")
    server = serve("echo:application", "--bind", f"[::1]:{port}")
    with socket.create_connection(("::1", port), timeout=20) as connected:
        connected.sendall(message("GET", "/", [("Connection", "close")]))
        client = Connection.__new__(Connection)
        client.socket, client.buffer, client.ended = connected, b"", False
        found = environ(client.receive())
    assert server.workers
    assert found["REMOTE_ADDR"] == "::1"
    assert (found["SERVER_NAME"], found["SERVER_PORT"]) == ("::1", str(port))


@wsgi
def test_the_proxy_protocol(serve):
    server = serve("echo:application", "--proxy-protocol", "v1")
    with server.connect() as connection:
        connection.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 1111 2222\r\n" + message("GET", "/"))
        found = environ(connection.receive())
    assert (found["REMOTE_ADDR"], found["REMOTE_PORT"]) == ("192.0.2.1", "1111")
    assert (found["PROXY_ADDR"], found["PROXY_PORT"]) == ("192.0.2.2", "2222")
