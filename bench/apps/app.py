"""The WSGI applications of the comparison; each is one workload.

They set Content-Length themselves wherever a framework would, because some servers are
much slower without it and that would measure the application's omission.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]

HELLO = b"Hello, World!"
LARGE = b"0123456789abcdef" * 65536
CHUNK = b"chunk of a generator " * 3 + b"\n"
CHUNKS = 16
MISSING = b"Not Found"

TEXT = "text/plain; charset=utf-8"


SLEEP_SECONDS = 0.01


def _headers(content_type: str, body: bytes) -> list[tuple[str, str]]:
    return [("Content-Type", content_type), ("Content-Length", str(len(body)))]


def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The least an application can do."""
    start_response("200 OK", [("Content-Type", TEXT), ("Content-Length", "13")])
    return [HELLO]


def sleep(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Wait as for a database, ten milliseconds."""
    time.sleep(SLEEP_SECONDS)
    return hello(environ, start_response)


def profile(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """A JSON answer made from the request, as an API endpoint behind a browser makes it."""
    body = json.dumps(
        {
            "path": environ["PATH_INFO"],
            "query": environ["QUERY_STRING"],
            "language": environ["HTTP_ACCEPT_LANGUAGE"][:5],
            "signed_in": "session=" in environ["HTTP_COOKIE"],
            "items": [1, 2, 3],
        }
    ).encode()
    start_response("200 OK", _headers("application/json", body))
    return [body]


def upload(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Read the whole request body and answer how long it was."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = str(len(environ["wsgi.input"].read(length))).encode()
    start_response("200 OK", _headers(TEXT, body))
    return [body]


def large(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """One mebibyte, one bytes object."""
    start_response("200 OK", _headers("application/octet-stream", LARGE))
    return [LARGE]


def environ_reads(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Read what a small framework reads before it calls anybody's code."""
    parts = (
        environ["REQUEST_METHOD"],
        environ["SCRIPT_NAME"],
        environ["PATH_INFO"],
        environ["QUERY_STRING"],
        environ["SERVER_NAME"],
        environ["SERVER_PROTOCOL"],
        environ["wsgi.url_scheme"],
        environ.get("HTTP_ACCEPT", ""),
        environ.get("HTTP_USER_AGENT", ""),
        environ.get("CONTENT_TYPE", "") or "",
    )
    body = str(sum(map(bool, parts))).encode()
    start_response("200 OK", _headers(TEXT, body))
    return [body]


def chunks(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """A generator without a declared length: the server chooses the framing."""
    start_response("200 OK", [("Content-Type", TEXT)])
    for _ in range(CHUNKS):
        yield CHUNK


def missing(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Nothing here."""
    start_response("404 Not Found", _headers(TEXT, MISSING))
    return [MISSING]
