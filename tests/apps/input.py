"""Reads its input in the way that the path names."""

import hashlib
import json


def pieces(read, size):
    while piece := read(size):
        yield piece


WAYS = {
    "/read": lambda stream: [stream.read()],
    "/read-none": lambda stream: [stream.read(None)],
    "/read-negative": lambda stream: [stream.read(-1)],
    "/read-7": lambda stream: list(pieces(stream.read, 7)),
    "/read-64k": lambda stream: list(pieces(stream.read, 1 << 16)),
    "/read-zero": lambda stream: [stream.read(0), stream.read()],
    "/read-twice": lambda stream: [stream.read(), stream.read(), stream.read(5)],
    "/readline": lambda stream: list(iter(stream.readline, b"")),
    "/readline-4": lambda stream: list(pieces(stream.readline, 4)),
    "/readlines": lambda stream: stream.readlines(),
    "/readlines-hint": lambda stream: [*stream.readlines(6), stream.read()],
    "/iterate": list,
    "/mixed": lambda stream: [stream.readline(), stream.read(3), *stream],
    "/nothing": lambda stream: [],
}


def application(environ, start_response):
    """What was read, item by item when that is short."""
    if environ["PATH_INFO"] == "/wrong-size":
        try:
            environ["wsgi.input"].read("7")
        except TypeError:
            items = [b"TypeError"]
    else:
        items = WAYS[environ["PATH_INFO"]](environ["wsgi.input"])
    whole = b"".join(items)
    answer = json.dumps(
        {
            "items": [item.decode("latin-1") for item in items] if len(whole) < 1 << 16 else None,
            "length": len(whole),
            "sha256": hashlib.sha256(whole).hexdigest(),
        }
    ).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))]
    start_response("200 OK", headers)
    return [answer]
