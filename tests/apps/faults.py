"""Everything that an application can get wrong; the path chooses."""

import os
import sys

TEXT = [("Content-Type", "text/plain")]


def fine(environ, start_response):
    start_response("200 OK", [*TEXT, ("X-Pid", str(os.getpid())), ("Content-Length", "4")])
    return [b"fine"]


def raises(environ, start_response):
    raise ValueError("raised by the application")


def exits(environ, start_response):
    sys.exit(3)


def raises_unprintable(environ, start_response):
    class Unprintable(Exception):
        def __str__(self):
            raise RuntimeError("no text for you")

    raise Unprintable


def answer(result, status="200 OK", headers=TEXT):
    def application(environ, start_response):
        start_response(status, headers)
        return result

    return application


def start_twice(environ, start_response):
    start_response("200 OK", TEXT)
    start_response("200 OK", TEXT)
    return [b"never"]


def after_first_item(error):
    def items(environ, start_response):
        start_response("200 OK", TEXT)
        yield b"first"
        raise error

    return items


def short_items(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "10")])
    yield b"first"
    yield b""
    yield b"two"


def close_raises(environ, start_response):
    class Items(list):
        def close(self):
            raise ValueError("raised by close")

    start_response("200 OK", [*TEXT, ("Content-Length", "4")])
    return Items([b"fine"])


def deep(environ, start_response):
    return deep(environ, start_response)


PATHS = {
    "/fine": fine,
    # 500: nothing was sent yet
    "/raises": raises,
    "/exits": exits,
    "/raises-unprintable": raises_unprintable,
    "/deep": deep,
    "/returns-none": answer(None),
    "/returns-int": answer(7),
    "/status-number": answer([b"x"], status=200),
    "/status-words": answer([b"x"], status="OK 200"),
    "/status-newline": answer([b"x"], status="200 OK\r\nX-Forged: 1"),
    "/header-newline": answer([b"x"], headers=[("X-Value", "1\r\nX-Forged: 1")]),
    "/header-nul": answer([b"x"], headers=[("X-Value", "1\0")]),
    "/header-name": answer([b"x"], headers=[("X Name", "1")]),
    "/header-name-newline": answer([b"x"], headers=[("X-Name\r\nX-Forged", "1")]),
    "/header-number": answer([b"x"], headers=[("X-Number", 1)]),
    "/header-bytes": answer([b"x"], headers=[("X-Bytes", b"1")]),
    "/header-wide": answer([b"x"], headers=[("X-Wide", "\u20ac")]),
    "/header-not-a-pair": answer([b"x"], headers=[("X-Single",)]),
    "/headers-none": answer([b"x"], headers=None),
    "/length-words": answer([b"x"], headers=[("Content-Length", "four")]),
    "/start-twice": start_twice,
    # cut: the head is out
    "/raises-later": after_first_item(ValueError("raised after the first item")),
    "/exits-later": after_first_item(SystemExit(3)),
    "/yields-str": answer([b"first", "second"]),
    "/yields-none": answer([b"first", None]),
    "/short": answer([b"first"], headers=[*TEXT, ("Content-Length", "10")]),
    "/short-items": short_items,
    "/close-raises": close_raises,
    "/never-starts": lambda environ, start_response: [b"no head"],
}


def application(environ, start_response):
    """Route."""
    return PATHS[environ["PATH_INFO"]](environ, start_response)
