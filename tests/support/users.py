"""Load from a client that keeps every latency: each of its users asks, waits, thinks, asks again."""

import errno
import heapq
import random
import selectors
import socket
import threading
import time
from dataclasses import dataclass

from .client import message


@dataclass(frozen=True)
class Sample:
    """One request. Times in seconds; ``status`` is 0 where no whole answer came.

    ``lost`` says why then: refused (no connection), reset, closed (before the first byte), cut (after it),
    or silent (for longer than the plan's timeout).
    """

    target: str
    began: float
    latency: float
    status: int
    body: bytes = b""
    lost: str = ""


@dataclass(frozen=True)
class Plan:
    """What the users do. ``choose`` gives the target of a request, from a random source."""

    users: int
    seconds: float
    choose: object
    think: float = 0.0
    """Mean of the pauses, which are exponentially distributed."""
    keeps: bool = True
    """Connections are kept; else each request has one of its own."""
    timeout: float = 30.0
    seed: int = 1
    requests: int = 0
    """How many each user has; 0: as many as there is time for."""


def run(address, plan):
    """Carry out the plan; all samples. The requests that have begun at its end are waited for."""
    return _Crowd(address, plan).run()


class Background:
    """The plan carried out in a thread, as a context; it ends early when the context does."""

    def __init__(self, address, plan):
        self._crowd = _Crowd(address, plan)
        self._thread = threading.Thread(target=self._crowd.run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._crowd.end = 0.0
        self._thread.join()

    @property
    def samples(self):
        """All samples so far."""
        return list(self._crowd.samples)


class _User:
    """One user with at most one request under way."""

    def __init__(self):
        self.socket = None
        self.connected = False
        self.buffer = b""
        self.target = None
        self.began = 0.0
        self.asked = 0


class _Crowd:
    def __init__(self, address, plan):
        self.address = address
        self.plan = plan
        self.random = random.Random(plan.seed)
        self.selector = selectors.EpollSelector()
        self.samples = []
        self.due = []
        self.busy = set()
        self.end = time.perf_counter() + plan.seconds

    def run(self):
        self.users = [_User() for _ in range(self.plan.users)]
        for user in self.users:
            self._rest(user)
        while True:
            now = time.perf_counter()
            while self.due and self.due[0][0] <= now < self.end:
                self._ask(heapq.heappop(self.due)[2])
            if not self.busy and (now >= self.end or not self.due):
                break
            next_due = self.due[0][0] if self.due and now < self.end else now + 1
            for key, _ in self.selector.select(max(0.0, min(next_due - now, 0.2))):
                self._ready(key.data)
            for user in self._overdue(time.perf_counter()):
                self._lose(user, "silent")
        for user in self.users:
            self._close(user)
        self.selector.close()
        return self.samples

    def _rest(self, user):
        pause = self.random.expovariate(1 / self.plan.think) if self.plan.think else 0.0
        heapq.heappush(self.due, (time.perf_counter() + pause, id(user), user))

    def _ask(self, user):
        user.target = self.plan.choose(self.random)
        user.buffer = b""
        user.began = time.perf_counter()
        user.asked += 1
        self.busy.add(user)
        if user.socket is not None:
            self._send(user)
            return
        family = socket.AF_INET if isinstance(self.address, tuple) else socket.AF_UNIX
        user.socket = socket.socket(family, socket.SOCK_STREAM)
        user.socket.setblocking(False)
        user.connected = False
        error = user.socket.connect_ex(self.address)
        if error not in (0, errno.EINPROGRESS):
            self._lose(user, "refused")
            return
        self.selector.register(user.socket, selectors.EVENT_WRITE, user)

    def _ready(self, user):
        if user.connected:
            self._receive(user)
        elif user.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._lose(user, "refused")
        else:
            user.connected = True
            self.selector.modify(user.socket, selectors.EVENT_READ, user)
            self._send(user)

    def _send(self, user):
        fields = [] if self.plan.keeps else [("Connection", "close")]
        try:
            user.socket.send(message("GET", user.target, fields))
        except OSError:
            # The answer, if there is any, can still be read.
            pass

    def _receive(self, user):
        lost = "cut" if user.buffer else "closed"
        try:
            data = user.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data, lost = b"", "reset"
        if user not in self.busy:
            self._close(user)
            return
        user.buffer += data
        head, mark, body = user.buffer.partition(b"\r\n\r\n")
        fields = head.lower()
        if mark and _is_whole(fields, body, ended=not data):
            self._finish(user, int(head.split(b" ", 2)[1]), body)
            if not data or b"connection: close" in fields:
                self._close(user)
        elif not data:
            self._lose(user, lost)

    def _finish(self, user, *outcome):
        latency = time.perf_counter() - user.began
        self.samples.append(Sample(user.target, user.began, latency, *outcome))
        self.busy.discard(user)
        if user.asked != self.plan.requests:
            self._rest(user)

    def _lose(self, user, lost):
        self._close(user)
        self._finish(user, 0, b"", lost)

    def _overdue(self, now):
        return [user for user in self.busy if now - user.began > self.plan.timeout]

    def _close(self, user):
        if user.socket is None:
            return
        if user.socket in self.selector.get_map():
            self.selector.unregister(user.socket)
        user.socket.close()
        user.socket = None


def _is_whole(fields, body, ended):
    """Whether the body of an answer is there, whose head in lower case is ``fields``."""
    _, named, rest = fields.partition(b"content-length: ")
    if named:
        return len(body) >= int(rest.split(b"\r\n")[0])
    if b"transfer-encoding: chunked" in fields:
        return body.endswith(b"0\r\n\r\n")
    return ended


def latencies(samples, target=None, status=200):
    """Sorted latencies in milliseconds of the answers with this target and status."""
    return sorted(
        sample.latency * 1000
        for sample in samples
        if sample.status == status and target in (None, sample.target)
    )


def quantile(ordered, share):
    """The value below which this share of the ordered values is."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def mean(values):
    """The arithmetic mean."""
    return sum(values) / len(values)
