"""Listening sockets: bound, inherited, or passed by a service manager."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

from oxicorn import _oxicorn

ATTEMPTS = 5


class CannotListen(Exception):
    """An address could not be bound; why has been logged."""


class Listener:
    """A listening socket. Attributes of the socket itself are found here too."""

    def __init__(self, sock: socket.socket, conf: Any, file: _oxicorn.SocketFile | None = None):
        self.sock: socket.socket | None = sock
        self.conf = conf
        self.cfg_addr: Any = sock.getsockname()
        self.FAMILY = sock.family
        #: What the configuration said.
        self.address: Any = None
        self._file = file

    @classmethod
    def from_descriptor(
        cls, descriptor: int, conf: Any, file: _oxicorn.SocketFile | None = None
    ) -> Listener:
        """Take a descriptor over, whatever its family is."""
        return cls(socket.socket(fileno=descriptor), conf, file)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["sock"], name)

    def __str__(self) -> str:
        return shown(self.FAMILY, self.cfg_addr, self.conf.is_ssl)

    def serves(self, address: Any) -> bool:
        """Whether binding this configured address again would mean this socket."""
        mine = self.cfg_addr[:2] if isinstance(self.cfg_addr, tuple) else self.cfg_addr
        return address in (self.address, mine)

    def close(self) -> None:
        """Close it in this process."""
        if self.sock is None:
            return
        try:
            self.sock.close()
        finally:
            self.sock = None

    def remove_file(self) -> None:
        """Remove the file of a unix socket, if it is ours to remove."""
        if self._file is not None:
            self._file.remove()
            self._file = None


def shown(family: int, name: Any, tls: bool) -> str:
    """An address as the log shows it."""
    if family == socket.AF_UNIX:
        name = os.fsdecode(name)
        return f"unix:@{name[1:]}" if name.startswith("\0") else f"unix:{name}"
    if family == socket.AF_INET6:
        return f"http://[{name[0]}]:{name[1]}"
    return f"{'https' if tls else 'http'}://{name[0]}:{name[1]}"


def inherited(descriptors: Iterable[int], conf: Any, *, with_files: bool) -> list[Listener]:
    """Sockets of a predecessor; ``with_files``: this server is the one to remove their files."""
    listeners = []
    for descriptor in descriptors:
        listener = Listener.from_descriptor(_oxicorn.adopt_listener(descriptor), conf)
        path = listener.cfg_addr
        if with_files and listener.FAMILY == socket.AF_UNIX and os.fsencode(path)[:1] != b"\0":
            try:
                listener._file = _oxicorn.SocketFile.inherited(os.fsencode(path))
            except OSError:
                # Somebody removed the file; the socket still works.
                pass
        listeners.append(listener)
    return listeners


def bind_all(
    conf: Any, log: Any, *, per_worker: bool = False, known: Iterable[Listener] = ()
) -> list[Listener]:
    """Bind what the configuration says, or that part of it that each worker binds for itself.

    The latter are the TCP addresses under ``reuse_port``. Listeners that are ``known`` are not bound
    again.
    """
    given = [address for address in conf.address if isinstance(address, int)]
    addresses = [
        address
        for address in given or conf.address
        if (conf.reuse_port and isinstance(address, tuple)) == per_worker
    ]
    listeners: list[Listener] = []
    new: list[Listener] = []
    try:
        for address in addresses:
            found = next((listener for listener in known if listener.serves(address)), None)
            if found is None:
                found = bind(address, conf, log)
                new.append(found)
            listeners.append(found)
    except BaseException:
        # All or nothing: a reload goes on with the old ones.
        discard(new)
        raise
    return listeners


def discard(listeners: Iterable[Listener]) -> None:
    """Close sockets that never came into use."""
    for listener in listeners:
        listener.close()
        listener.remove_file()


def bind(address: Any, conf: Any, log: Any) -> Listener:
    """Bind one address; an address in use may become free within a few seconds."""
    make = maker(address, conf)
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(1)
        try:
            listener = make()
            listener.address = address
            return listener
        except FileExistsError as error:
            raise CannotListen(str(error)) from error
        except OSError as error:
            what = "Connection in use" if is_in_use(error) else "Invalid address"
            if is_in_use(error) or is_invalid(error):
                log.error("%s: %s", what, address)
            log.error("connection to %s failed: %s", address, error)
    raise CannotListen(f"Can't connect to {address}")


def is_in_use(error: OSError) -> bool:
    """Somebody else listens there."""
    return error.errno == errno.EADDRINUSE


def is_invalid(error: OSError) -> bool:
    """This machine has no such address."""
    return error.errno == errno.EADDRNOTAVAIL


def maker(address: Any, conf: Any) -> Callable[[], Listener]:
    """What binds this address."""
    if isinstance(address, int):
        return lambda: inherited([address], conf, with_files=False)[0]
    if isinstance(address, tuple):
        host, port = address
        return lambda: Listener.from_descriptor(
            _oxicorn.listen_tcp(host, port, conf.backlog, conf.reuse_port), conf
        )
    path = os.fsencode(address)
    if path[:1] == b"\0":
        name = path[1:]
        return lambda: Listener.from_descriptor(_oxicorn.listen_abstract(name, conf.backlog), conf)

    def make() -> Listener:
        owner = (conf.uid, conf.gid)
        descriptor, file = _oxicorn.listen_unix(path, conf.umask, owner, conf.backlog)
        return Listener.from_descriptor(descriptor, conf, file)

    return make
