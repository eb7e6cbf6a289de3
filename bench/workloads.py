"""What is asked of every server: the request, the application, and the only right answer."""

from __future__ import annotations

from dataclasses import dataclass

from apps.app import CHUNK, CHUNKS, HELLO, LARGE, MISSING

USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36"
)
COOKIE = (
    "session=eyJ1c2VyIjo0MiwiY3NyZiI6IjZhZjAzYiJ9.aQx3Zw.Jm8uZ0k1T2xqVnQ; "
    "theme=dark; consent=analytics%3D0; _ga=GA1.1.1234567890.1700000000"
)
# One visit's worth of fields, as a desktop browser sends them to a site with a session.
BROWSER_HEADERS = (
    ("Cache-Control", "max-age=0"),
    ("sec-ch-ua", '"Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"'),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", '"Linux"'),
    ("Upgrade-Insecure-Requests", "1"),
    ("User-Agent", USER_AGENT),
    (
        "Accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    ),
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-User", "?1"),
    ("Sec-Fetch-Dest", "document"),
    ("Referer", "https://www.example.com/catalogue/page-7?sort=price"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-GB,en;q=0.9,de;q=0.8"),
    ("Cookie", COOKIE),
)
PROFILE = (
    b'{"path": "/api/profile", "query": "fields=name%2Citems&v=2", "language": "en-GB", '
    b'"signed_in": true, "items": [1, 2, 3]}'
)
UPLOAD_LENGTH = 16 * 1024
# Of the servers that run the application in threads, and connections of the workload that waits.
THREADS = 16


@dataclass(frozen=True)
class Workload:
    """One kind of request, sent over and over on every connection."""

    name: str
    title: str
    app: str
    """Application in `bench/apps`, as MODULE:NAME."""
    body: bytes
    """The exact body of the answer."""
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200
    method: str = "GET"
    target: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    upload: bytes = b""
    varied: bool = False
    """Every request has a query and an X-Request-ID of its own."""
    floor: bool = False
    """The canned answer of the floor can stand for this one."""
    connections: int = 0
    """So many instead of the usual number."""
    waits: bool = False
    """The application sleeps: only servers that run it in threads are asked."""
    framework: str = ""
    """What has to be installed for it, if anything: a name of `install.FRAMEWORKS`."""
    extra: bool = False
    """Only on request (`--workloads all` or by name)."""

    @property
    def closes(self) -> bool:
        """Every request asks for a connection of its own."""
        return ("Connection", "close") in self.headers


WORKLOADS = (
    Workload("hello", "Hello, keep-alive", "app:hello", HELLO, floor=True),
    Workload("varied", "Hello, no two requests alike", "app:hello", HELLO, varied=True, floor=True),
    Workload(
        "close",
        "Hello, a connection a request",
        "app:hello",
        HELLO,
        headers=(("Connection", "close"),),
        floor=True,
    ),
    Workload(
        "browser",
        "A browser's 15 fields, JSON answer",
        "app:profile",
        PROFILE,
        content_type="application/json",
        target="/api/profile?fields=name%2Citems&v=2",
        headers=BROWSER_HEADERS,
        floor=True,
    ),
    Workload(
        "upload",
        "POST of 16 KiB",
        "app:upload",
        str(UPLOAD_LENGTH).encode(),
        method="POST",
        target="/upload",
        headers=(("Content-Type", "application/octet-stream"),),
        upload=b"x" * UPLOAD_LENGTH,
    ),
    Workload(
        "large",
        "Answer of 1 MiB",
        "app:large",
        LARGE,
        content_type="application/octet-stream",
    ),
    Workload(
        "flask",
        "Flask hello",
        "flask_app:app",
        HELLO,
        content_type="text/html; charset=utf-8",
        framework="flask",
    ),
    Workload(
        "sleep",
        "Wait of 10 ms, 16 connections, 16 threads",
        "app:sleep",
        HELLO,
        connections=THREADS,
        waits=True,
        extra=True,
    ),
    Workload(
        "environ",
        "Ten reads of environ",
        "app:environ_reads",
        b"8",
        target="/reads?page=1",
        headers=(("Accept", "*/*"), ("User-Agent", "wrk")),
        extra=True,
    ),
    Workload("chunks", "Generator of 16 chunks", "app:chunks", CHUNK * CHUNKS, extra=True),
    Workload(
        "missing",
        "404 from the application",
        "app:missing",
        MISSING,
        status=404,
        target="/no/such/page",
        extra=True,
    ),
)
