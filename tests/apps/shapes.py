"""One application for each shape that a response can have; the path chooses.

``application`` is the bare one, ``validated`` has ``wsgiref.validate`` around it.
"""

import os
from wsgiref.validate import validator

TEXT = [("Content-Type", "text/plain")]
FILE = os.path.join(os.path.dirname(__file__), "static.txt")
closed = 0


class Closing:
    """An iterator that counts how often it was closed."""

    def __init__(self, *items):
        self.items = iter(items)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.items)

    def close(self):
        global closed
        closed += 1


class LateStart(Closing):
    """Calls start_response only when the first item is asked for."""

    def __init__(self, start_response, *items):
        super().__init__(*items)
        self.start_response = start_response

    def __next__(self):
        if self.start_response:
            self.start_response("200 OK", TEXT)
            self.start_response = None
        return super().__next__()


def generator():
    """A generator: closed through GeneratorExit, which ``finally`` sees."""
    global closed
    try:
        yield b"one, "
        yield b"two, "
        yield b"three"
    finally:
        closed += 1


def with_write(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"written, ")
    write(b"twice, ")
    return [b"returned"]


def in_pieces(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "9")])
    return Closing(b"one", b"", b"two", b"six")


def too_much(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "3")])
    return [b"one", b"two"]


LENGTH = ("Content-Length", "3")


def constants(line, headers):
    """Answers with the very same objects each time."""

    def application(environ, start_response):
        start_response(line, headers)
        return [b"one"]

    return application


def status(line, headers=TEXT, body=()):
    def application(environ, start_response):
        start_response(line, list(headers))
        return Closing(*body)

    return application


def file(length):
    def application(environ, start_response):
        handle = open(FILE, "rb")
        headers = [("Content-Length", str(os.path.getsize(FILE)))] if length else []
        start_response("200 OK", TEXT + headers)
        return environ["wsgi.file_wrapper"](handle, 4096)

    return application


def file_part(environ, start_response):
    """A file that was read a little: the rest of it is sent, no more than the length said."""
    handle = open(FILE, "rb")
    handle.seek(10)
    start_response("200 OK", [*TEXT, ("Content-Length", "20")])
    return environ["wsgi.file_wrapper"](handle)


class NotAFile:
    """Has read() and close(), but no file behind it."""

    def __init__(self):
        self.left = [b"from ", b"memory"]

    def read(self, size=-1):
        return self.left.pop(0) if self.left else b""

    def close(self):
        global closed
        closed += 1


def not_a_file(environ, start_response):
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](NotAFile())


def replaced(environ, start_response):
    """An error found after start_response, before anything was sent."""
    start_response("200 OK", TEXT)
    try:
        raise ValueError("changed my mind")
    except ValueError as error:
        start_response("409 Conflict", TEXT, (type(error), error, error.__traceback__))
    return [b"conflict"]


def count(environ, start_response):
    answer = str(closed).encode()
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(answer)))])
    return [answer]


def headers(environ, start_response):
    """Fields in their own order and case, some of which are the server's to send."""
    start_response(
        "200 OK",
        [
            ("X-First", "1"),
            ("Connection", "close"),
            ("set-cookie", "a=1"),
            ("Keep-Alive", "timeout=9"),
            ("Set-Cookie", "b=2"),
            ("Server", "mine"),
            ("Date", "yesterday"),
            ("Transfer-Encoding", "identity"),
            ("x-LAST", "  trimmed\t"),
            ("X-Latin", "caf\xe9"),
            ("Content-Length", "0"),
        ],
    )
    return []


def early_hints(environ, start_response):
    environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload")])
    start_response("200 OK", [*TEXT, ("Content-Length", "2")])
    return [b"ok"]


def plain(make):
    def application(environ, start_response):
        start_response("200 OK", TEXT)
        return make()

    return application


SHAPES = {
    "/list": plain(lambda: [b"one, ", b"two, ", b"three"]),
    "/tuple": plain(lambda: (b"one, ", b"two, ", b"three")),
    "/generator": plain(generator),
    "/iterator": plain(lambda: Closing(b"one, ", b"two, ", b"three")),
    "/late-start": lambda environ, start: LateStart(start, b"one, ", b"two, ", b"three"),
    "/write": with_write,
    "/empty-list": plain(list),
    "/empty-items": plain(lambda: Closing(b"", b"", b"")),
    "/in-pieces": in_pieces,
    "/too-much": too_much,
    "/file": file(length=True),
    "/file-chunked": file(length=False),
    "/file-part": file_part,
    "/not-a-file": not_a_file,
    "/replaced": replaced,
    "/constant": constants("200 OK", [LENGTH, *TEXT]),
    "/constant-created": constants("201 Created", [*TEXT, LENGTH]),
    "/constant-twice": constants("200 OK", [LENGTH, LENGTH]),
    "/constant-unclear": constants("200 OK", [("Content-Length", "4"), LENGTH]),
    "/no-content": status("204 No Content", headers=()),
    "/no-content-with-body": status("204 No Content", headers=(), body=[b"not allowed"]),
    "/not-modified": status("304 Not Modified", headers=[("ETag", '"1"')]),
    "/not-modified-length": status("304 Not Modified", headers=[("Content-Length", "100")]),
    "/no-reason": status("200", body=[b"fine"]),
    "/teapot": status("418 I'm a teapot", body=[b"short and stout"]),
    "/headers": headers,
    "/early-hints": early_hints,
    "/closed": count,
}


def application(environ, start_response):
    """Route."""
    return SHAPES[environ["PATH_INFO"]](environ, start_response)


validated = validator(application)
