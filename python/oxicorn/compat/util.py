"""What other packages take from ``gunicorn.util``."""

from __future__ import annotations

import email.utils
import fcntl
import html
import inspect
import io
import os
import pwd
import random
import re
import socket
import time
import warnings
from collections.abc import Callable
from typing import Any

from oxicorn import _oxicorn, entry_points
from oxicorn.app.loading import load_application
from oxicorn.title import set_title

#: Header fields that mean one connection only.
hop_headers = frozenset(
    "connection keep-alive proxy-authenticate proxy-authorization te trailers transfer-encoding "
    "upgrade server date".split()
)


def import_app(module: str) -> Any:
    """Return the application that ``MODULE:EXPRESSION`` names."""
    return load_application(module)


def load_class(uri: Any, default: str = "sync", section: str = "gunicorn.workers") -> Any:
    """Return a class from itself, ``egg:DISTRIBUTION#NAME``, an entry point or a dotted name."""
    return entry_points.load_object(uri, section, default)


def parse_address(netloc: str, default_port: str = "8000") -> Any:
    """Return the host and port, path or descriptor that an item of ``bind`` means."""
    netloc = re.sub(r"^(?:https?|tcp)://", "", netloc)
    if ":" not in re.sub(r"\[.*\]", "", netloc) and not netloc.isdigit():
        netloc = f"{netloc or '0.0.0.0'}:{default_port}"
    return _oxicorn.parse_address(netloc)


def is_ipv6(addr: str) -> bool:
    """Tell whether this is an IPv6 address."""
    try:
        socket.inet_pton(socket.AF_INET6, addr)
    except (OSError, ValueError):
        return False
    return True


def http_date(timestamp: float | None = None) -> str:
    """Return a time, or now, as HTTP writes it."""
    return email.utils.formatdate(
        time.time() if timestamp is None else timestamp, localtime=False, usegmt=True
    )


def to_bytestring(value: str | bytes, encoding: str = "utf8") -> bytes:
    """Return text encoded, bytes as they are."""
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a string")
    return value.encode(encoding)


def bytes_to_str(b: str | bytes) -> str:
    """Return bytes as text of the same code points."""
    return b if isinstance(b, str) else str(b, "latin1")


def unquote_to_wsgi_str(string: str) -> str:
    """Return percent-decoded text as an environ has it."""
    from urllib.parse import unquote_to_bytes

    return unquote_to_bytes(string).decode("latin-1")


def getcwd() -> str:
    """Return the current directory by the name that the shell gave it."""
    current = os.getcwd()
    named = os.environ.get("PWD", current)
    try:
        return named if os.path.samefile(named, current) else current
    except OSError:
        return current


def get_username(uid: int) -> str:
    """Return the name of a user id."""
    return pwd.getpwuid(uid).pw_name


def get_arity(f: Callable[..., Any]) -> int:
    """Return how many parameters can be given by position."""
    return len(positionals(f))


def positionals(callable: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters that can be given by position."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [one for one in inspect.signature(callable).parameters.values() if one.kind in kinds]


def set_owner_process(uid: int, gid: int, initgroups: bool = False) -> None:
    """Go on as this user and group."""
    _oxicorn.assume_identity(uid, gid, get_username(uid) if initgroups else None)


def chown(path: str, uid: int, gid: int) -> None:
    """Give a file to a user and group."""
    os.chown(path, uid, gid)


def unlink(filename: str) -> None:
    """Remove a file, which may be gone already."""
    try:
        os.unlink(filename)
    except (FileNotFoundError, NotADirectoryError):
        pass


def close_on_exec(fd: Any) -> None:
    """Keep a descriptor from programs that are started."""
    number = fd if isinstance(fd, int) else fd.fileno()
    fcntl.fcntl(number, fcntl.F_SETFD, fcntl.fcntl(number, fcntl.F_GETFD) | fcntl.FD_CLOEXEC)


def set_non_blocking(fd: Any) -> None:
    """Have reads and writes return at once."""
    os.set_blocking(fd if isinstance(fd, int) else fd.fileno(), False)


def close(sock: Any) -> None:
    """Close a socket, whatever state it is in."""
    try:
        sock.close()
    except OSError:
        pass


def close_graceful(sock: Any) -> None:
    """End our side of a connection, then close it."""
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    close(sock)


def write(sock: Any, data: bytes, chunked: bool = False) -> None:
    """Send bytes, as one chunk if that is what the response has."""
    if chunked:
        write_chunk(sock, data)
    else:
        sock.sendall(data)


def write_chunk(sock: Any, data: bytes | str) -> None:
    """Send one chunk."""
    content = data.encode("utf-8") if isinstance(data, str) else data
    sock.sendall(b"%X\r\n%b\r\n" % (len(content), content))


def write_nonblock(sock: Any, data: bytes, chunked: bool = False) -> None:
    """Send bytes on a socket that may be non-blocking."""
    before = sock.gettimeout()
    sock.setblocking(True)
    try:
        write(sock, data, chunked)
    finally:
        sock.settimeout(before)


def write_error(sock: Any, status_int: int, reason: str, mesg: str) -> None:
    """Send an error page and say that the connection ends."""
    title = html.escape(reason)
    body = (
        f"<html><head><title>{title}</title></head>"
        f"<body><h1>{title}</h1><p>{html.escape(mesg)}</p></body></html>\n"
    ).encode()
    head = (
        f"HTTP/1.1 {status_int} {reason}\r\nConnection: close\r\n"
        f"Content-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    write_nonblock(sock, head.encode("latin1") + body)


def seed() -> None:
    """Make random numbers differ from those of the process that this one was forked from."""
    random.seed()


def check_is_writable(path: str) -> None:
    """Raise RuntimeError unless this file can be appended to."""
    try:
        with open(path, "a"):
            pass
    except OSError as error:
        raise RuntimeError(f"Error: '{path}' isn't writable [{error!r}]") from error


def has_fileno(obj: Any) -> bool:
    """Tell whether the system knows this object as a descriptor."""
    try:
        obj.fileno()
    except (AttributeError, OSError, io.UnsupportedOperation):
        return False
    return True


def warn(msg: str) -> None:
    """Show a warning to whoever runs the server."""
    warnings.warn(msg, stacklevel=2)


def _setproctitle(title: str) -> None:
    """Change the title of this process."""
    set_title(f"oxicorn: {title}")
