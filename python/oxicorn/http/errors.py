"""Reasons to refuse a request, by the names that programs catch and raise.

The engine refuses requests on its own and raises none of these: they are for worker classes that read
HTTP themselves, and for code that imports them.
"""

from __future__ import annotations


class ParseException(Exception):
    """What was received is no request."""


class NoMoreData(IOError):
    """The connection ended within a request."""

    def __init__(self, buf: bytes | None = None) -> None:
        super().__init__(buf)
        self.buf = buf

    def __str__(self) -> str:
        return f"No more data after: {self.buf!r}"


class ConfigurationProblem(ParseException):
    """The settings do not allow to understand it."""

    code = 500

    def __init__(self, info: object) -> None:
        super().__init__(info)
        self.info = info

    def __str__(self) -> str:
        return f"Configuration problem: {self.info}"


class Invalid(ParseException):
    """A part of the request is wrong; ``what`` names it."""

    code = 400
    what = "request"

    def __init__(self, value: object = "") -> None:
        super().__init__(value)
        self.value = value

    def __str__(self) -> str:
        return f"Invalid {self.what}: {self.value!r}"


class InvalidRequestLine(Invalid):
    """The request line."""

    what = "HTTP request line"

    def __init__(self, req: object = "") -> None:
        super().__init__(req)
        self.req = req


class InvalidRequestMethod(Invalid):
    """The method."""

    what = "HTTP method"

    def __init__(self, method: object = "") -> None:
        super().__init__(method)
        self.method = method


class ExpectationFailed(Invalid):
    """The field Expect."""

    code = 417
    what = "expectation"

    def __init__(self, expect: object = "") -> None:
        super().__init__(expect)
        self.expect = expect


class InvalidHTTPVersion(Invalid):
    """The version."""

    code = 505
    what = "HTTP version"

    def __init__(self, version: object = "") -> None:
        super().__init__(version)
        self.version = version


class InvalidHeader(Invalid):
    """A header field."""

    what = "HTTP header"

    def __init__(self, hdr: object = "", req: object = None) -> None:
        super().__init__(hdr)
        self.hdr = hdr
        self.req = req


class ObsoleteFolding(InvalidHeader):
    """A header field that goes on in the next line."""

    what = "folding of the HTTP header"


class InvalidHeaderName(Invalid):
    """The name of a header field."""

    what = "HTTP header name"

    def __init__(self, hdr: object = "") -> None:
        super().__init__(hdr)
        self.hdr = hdr


class UnsupportedTransferCoding(InvalidHeader):
    """A transfer coding that nobody here knows."""

    code = 501
    what = "transfer coding"


class InvalidChunkSize(NoMoreData):
    """The size of a chunk."""

    code = 400

    def __init__(self, data: object = b"") -> None:
        super().__init__()
        self.data = data

    def __str__(self) -> str:
        return f"Invalid chunk size: {self.data!r}"


class ChunkMissingTerminator(NoMoreData):
    """What has to follow a chunk does not."""

    code = 400

    def __init__(self, term: object = b"") -> None:
        super().__init__()
        self.term = term

    def __str__(self) -> str:
        return f"Invalid chunk terminator: {self.term!r}"


class LimitRequestLine(ParseException):
    """The request line is too long."""

    code = 414

    def __init__(self, size: int = 0, max_size: int = 0) -> None:
        super().__init__(size, max_size)
        self.size = size
        self.max_size = max_size

    def __str__(self) -> str:
        return f"Request Line is too large ({self.size} > {self.max_size})"


class LimitRequestHeaders(ParseException):
    """There are too many header fields, or one is too long."""

    code = 431

    def __init__(self, msg: object = "") -> None:
        super().__init__(msg)
        self.msg = msg


class InvalidProxyLine(Invalid):
    """The line of PROXY protocol version 1."""

    what = "PROXY line"

    def __init__(self, line: object = "") -> None:
        super().__init__(line)
        self.line = line


class InvalidProxyHeader(Invalid):
    """The header of PROXY protocol version 2."""

    what = "PROXY header"

    def __init__(self, msg: object = "") -> None:
        super().__init__(msg)
        self.msg = msg


class ForbiddenProxyRequest(ParseException):
    """A PROXY header from a peer that may send none."""

    code = 403

    def __init__(self, host: object = "") -> None:
        super().__init__(host)
        self.host = host

    def __str__(self) -> str:
        return f"Proxy request from {self.host!r} not allowed"


class InvalidSchemeHeaders(ParseException):
    """Header fields that contradict each other about the scheme."""

    code = 400

    def __str__(self) -> str:
        return "Contradictory scheme headers"
