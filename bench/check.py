"""Does a server answer a workload correctly? Asked before anything is timed.

A client of its own, because a lenient one would accept wrong framing and hide it.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import BinaryIO

from peers import HOST
from workloads import Workload

TIMEOUT_SECONDS = 10.0
STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9]) [^\r\n]*\r\n")
FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*?)[ \t]*\r\n")
CHUNK_LINE = re.compile(rb"([0-9a-fA-F]+)\r\n")


class Wrong(Exception):
    """What is not as it must be, for the table."""


@dataclass(frozen=True)
class Answer:
    """One response, framing removed."""

    status: int
    fields: dict[str, list[str]]
    body: bytes


@dataclass(frozen=True)
class Correct:
    """What the report says about a correct server."""

    keeps_alive: bool
    answer_length: int
    """Bytes of the whole answer, head and framing included."""


def check(workload: Workload, port: int) -> Correct:
    """Send the workload's request, twice on one connection if that stays open."""
    request = request_of(workload, port)
    try:
        with socket.create_connection((HOST, port), TIMEOUT_SECONDS) as connection:
            with connection.makefile("rb", buffering=0) as raw:
                return _exchange(workload, connection, _Counted(raw), request)
    except OSError as error:
        raise Wrong(f"no answer: {error}") from None


def _exchange(
    workload: Workload, connection: socket.socket, reader: _Counted, request: bytes
) -> Correct:
    connection.sendall(request)
    _compare(workload, _read_answer(reader))
    length = reader.count
    if workload.closes:
        if reader.read(1):
            raise Wrong("goes on after an answer to Connection: close")
        return Correct(keeps_alive=False, answer_length=length)
    try:
        connection.sendall(request)
        answer = _read_answer(reader)
    except (Wrong, OSError):
        # Allowed, and the report says so: Gunicorn's sync worker is made like this.
        return Correct(keeps_alive=False, answer_length=length)
    _compare(workload, answer)
    return Correct(keeps_alive=True, answer_length=length)


def request_of(workload: Workload, port: int) -> bytes:
    """The request as the load generator sends it."""
    lines = [f"{workload.method} {workload.target} HTTP/1.1", f"Host: {HOST}:{port}"]
    lines += [f"{name}: {value}" for name, value in workload.headers]
    if workload.upload:
        lines.append(f"Content-Length: {len(workload.upload)}")
    return "\r\n".join([*lines, "", ""]).encode() + workload.upload


class _Counted:
    """A buffered reader that knows how much it has handed out."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._buffer = b""
        self.count = 0

    def line(self) -> bytes:
        while b"\n" not in self._buffer and self._fill():
            pass
        line, newline, _ = self._buffer.partition(b"\n")
        return self._take(len(line) + len(newline))

    def read(self, length: int) -> bytes:
        while len(self._buffer) < length and self._fill():
            pass
        return self._take(min(length, len(self._buffer)))

    def _fill(self) -> bool:
        received = self._raw.read(1 << 20)
        self._buffer += received
        return bool(received)

    def _take(self, length: int) -> bytes:
        taken, self._buffer = self._buffer[:length], self._buffer[length:]
        self.count += length
        return taken


def _read_answer(reader: _Counted) -> Answer:
    first = reader.line()
    status = STATUS_LINE.fullmatch(first)
    if status is None:
        raise Wrong(f"status line {first[:60]!r}")
    fields: dict[str, list[str]] = {}
    while (line := reader.line()) != b"\r\n":
        field = FIELD_LINE.fullmatch(line)
        if field is None:
            raise Wrong(f"field line {line[:60]!r}")
        fields.setdefault(field[1].decode().lower(), []).append(field[2].decode("latin-1"))
    return Answer(int(status[1]), fields, _read_body(reader, fields))


def _read_body(reader: _Counted, fields: dict[str, list[str]]) -> bytes:
    lengths = fields.get("content-length", [])
    codings = fields.get("transfer-encoding", [])
    if codings and lengths:
        raise Wrong("both Content-Length and Transfer-Encoding")
    if [coding.lower() for coding in codings] == ["chunked"]:
        return _read_chunks(reader)
    if len(lengths) != 1 or not lengths[0].isdecimal():
        raise Wrong(f"framing: Content-Length {lengths}, Transfer-Encoding {codings}")
    body = reader.read(int(lengths[0]))
    if len(body) != int(lengths[0]):
        raise Wrong(f"{len(body)} bytes of a Content-Length of {lengths[0]}")
    return body


def _read_chunks(reader: _Counted) -> bytes:
    body = b""
    while True:
        line = reader.line()
        size = CHUNK_LINE.fullmatch(line)
        if size is None:
            raise Wrong(f"chunk size {line[:30]!r}")
        data = reader.read(int(size[1], 16))
        if reader.line() != b"\r\n":
            raise Wrong("no line end behind a chunk")
        if not data:
            return body
        body += data


def _compare(workload: Workload, answer: Answer) -> None:
    if answer.status != workload.status:
        raise Wrong(f"status {answer.status}, not {workload.status}")
    if answer.body != workload.body:
        raise Wrong(f"body {answer.body[:40]!r} ({len(answer.body)} bytes)")
    content_types = answer.fields.get("content-type", [])
    if content_types != [workload.content_type]:
        raise Wrong(f"Content-Type {content_types}")
