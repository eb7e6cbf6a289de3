"""The values of an access log line, as ``access_log_format`` names them.

The common case is written by the Rust core (``crates/worker/src/access_log``); what is here serves
logger classes, logging configurations and syslog, and gives the same lines.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

# Whatever could end a line, or a quoted value in it.
_UNSAFE = re.compile(r'[^\x20-\x7e]|["\\]')


def escaped(text: str) -> str:
    """A value as it can stand in a line: quotes and backslashes escaped, no byte but printable ASCII."""
    return _UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in '"\\':
        return "\\" + character
    # Header values and paths are bytes in disguise (PEP 3333).
    encoding = "latin-1" if ord(character) < 256 else "utf-8"
    return "".join(f"\\x{byte:02x}" for byte in character.encode(encoding, "surrogatepass"))


class SafeAtoms(dict[str, Any]):
    """Atoms that cannot forge a line when they are looked up; those that are not there print as ``-``."""

    def __getitem__(self, name: str) -> Any:
        if name.startswith("{"):
            name = name.lower()
        value = self.get(name, "-")
        return escaped(value) if isinstance(value, str) else value


def atoms_of(
    resp: Any, req: Any, environ: Mapping[str, Any], request_time: timedelta, now: str, pid: str
) -> dict[str, Any]:
    """Every atom of one request, not escaped."""
    status = resp.status
    sent = getattr(resp, "sent", None)
    seconds, micros = request_time.seconds, request_time.microseconds
    atoms = {
        "h": environ.get("REMOTE_ADDR", "-"),
        "l": "-",
        "u": user(environ) or "-",
        "t": now,
        "r": "{} {} {}".format(
            environ.get("REQUEST_METHOD", ""),
            environ.get("RAW_URI", ""),
            environ.get("SERVER_PROTOCOL", ""),
        ),
        "s": status.split(None, 1)[0] if isinstance(status, str) else status,
        "m": environ.get("REQUEST_METHOD"),
        "U": environ.get("PATH_INFO"),
        "q": environ.get("QUERY_STRING"),
        "H": environ.get("SERVER_PROTOCOL"),
        "b": "-" if sent is None else str(sent),
        "B": sent,
        "f": environ.get("HTTP_REFERER", "-"),
        "a": environ.get("HTTP_USER_AGENT", "-"),
        "T": seconds,
        "D": seconds * 1_000_000 + micros,
        "M": seconds * 1000 + micros // 1000,
        "L": f"{seconds}.{micros:06}",
        "p": f"<{pid}>",
    }
    for letter, fields in (
        ("i", _pairs(getattr(req, "headers", req))),
        ("o", _pairs(resp.headers)),
        ("e", environ.items()),
    ):
        atoms.update((f"{{{name}}}{letter}".lower(), value) for name, value in fields)
    return atoms


def _pairs(fields: Any) -> Iterable[tuple[str, Any]]:
    if fields is None:
        return ()
    return fields.items() if hasattr(fields, "items") else fields


def user(environ: Mapping[str, Any]) -> str | None:
    """The user that HTTP Basic credentials name."""
    scheme, _, credentials = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(credentials.strip().encode())
    except (binascii.Error, ValueError):
        return None
    return decoded.partition(b":")[0].decode("latin-1")
