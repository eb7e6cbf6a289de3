"""Answers with what it was given, as JSON."""

import hashlib
import json
import os


def application(environ, start_response):
    """Everything of the request that JSON can hold."""
    body = environ["wsgi.input"].read()
    seen = {
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"],
        "query": environ["QUERY_STRING"],
        "protocol": environ["SERVER_PROTOCOL"],
        "environ": {k: v for k, v in environ.items() if isinstance(v, str)},
        "others": {k: repr(v) for k, v in environ.items() if not isinstance(v, str)},
        "types": {k: type(v).__name__ for k, v in environ.items()},
        "body": body.decode("latin-1") if len(body) < 1 << 16 else None,
        "length": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    answer = json.dumps(seen).encode()
    start_response(
        "200 OK",
        [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(answer))),
            ("X-Pid", str(os.getpid())),
        ],
    )
    return [answer]
