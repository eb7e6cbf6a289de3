"""The twin of ``echo`` for ASGI: what the scope says, under the names that CGI has for it."""

import hashlib
import json
import os

from messages import http_only, read, whole


def cgi(scope):
    """What both interfaces know of a request."""
    values = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": scope["root_path"],
        "PATH_INFO": scope["path"].removeprefix(scope["root_path"]),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.url_scheme": scope["scheme"],
    }
    if scope["client"]:
        values["REMOTE_ADDR"], values["REMOTE_PORT"] = scope["client"][0], str(scope["client"][1])
    if scope["server"]:
        values["SERVER_NAME"], values["SERVER_PORT"] = scope["server"][0], str(scope["server"][1])
    for name, value in scope["headers"]:
        key = name.decode("latin-1").upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        value = value.decode("latin-1")
        values[key] = f"{values[key]},{value}" if key in values else value
    return values


@http_only
async def application(scope, receive, send):
    """Everything of the request that JSON can hold."""
    body = await read(receive)
    seen = {
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode("latin-1"),
        "protocol": f"HTTP/{scope['http_version']}",
        "environ": cgi(scope),
        "body": body.decode("latin-1") if len(body) < 1 << 16 else None,
        "length": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    headers = [("Content-Type", "application/json"), ("X-Pid", str(os.getpid()))]
    await whole(send, json.dumps(seen).encode(), headers)
