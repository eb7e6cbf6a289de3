"""Load from a client that keeps every latency: each of its users asks, waits, thinks, asks again."""

import heapq
import random
import selectors
import socket
import time
from dataclasses import dataclass

from .client import message


@dataclass(frozen=True)
class Sample:
    """One request. Times in seconds; ``status`` is 0 where no answer came."""

    target: str
    began: float
    latency: float
    status: int


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


def run(address, plan):
    """Carry out the plan; all samples. The requests that have begun at its end are waited for."""
    return _Crowd(address, plan).run()


class _User:
    """One user with at most one request under way."""

    def __init__(self):
        self.socket = None
        self.buffer = b""
        self.target = None
        self.began = 0.0


class _Crowd:
    def __init__(self, address, plan):
        self.address = address
        self.plan = plan
        self.random = random.Random(plan.seed)
        self.selector = selectors.EpollSelector()
        self.samples = []
        self.busy = set()

    def run(self):
        clock = time.perf_counter
        end = clock() + self.plan.seconds
        due = [(clock() + self._pause(), index, _User()) for index in range(self.plan.users)]
        heapq.heapify(due)
        while True:
            now = clock()
            while due and due[0][0] <= now and now < end:
                _, _, user = heapq.heappop(due)
                self._ask(user)
            if now >= end and not self.busy:
                break
            wait = max(0.0, min(due[0][0] if due and now < end else now + 1, now + 0.2) - now)
            for key, _ in self.selector.select(wait):
                if self._answer(key.data):
                    heapq.heappush(due, (clock() + self._pause(), id(key.data), key.data))
            for user in self._overdue(clock()):
                self._end(user, 0)
                heapq.heappush(due, (clock() + self._pause(), id(user), user))
        for _, _, user in due:
            self._close(user)
        self.selector.close()
        return self.samples

    def _pause(self):
        return self.random.expovariate(1 / self.plan.think) if self.plan.think else 0.0

    def _ask(self, user):
        user.target = self.plan.choose(self.random)
        user.buffer = b""
        user.began = time.perf_counter()
        self.busy.add(user)
        if user.socket is None:
            family = socket.AF_INET if isinstance(self.address, tuple) else socket.AF_UNIX
            user.socket = socket.socket(family, socket.SOCK_STREAM)
            user.socket.connect(self.address)
            user.socket.setblocking(False)
            self.selector.register(user.socket, selectors.EVENT_READ, user)
        fields = [] if self.plan.keeps else [("Connection", "close")]
        try:
            user.socket.send(message("GET", user.target, fields))
        except OSError:
            # The answer, if there is any, can still be read.
            pass

    def _answer(self, user):
        """Read what has come; whether the request is over."""
        try:
            data = user.socket.recv(1 << 16)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if user not in self.busy:
            self._close(user)
            return False
        user.buffer += data
        head, mark, body = user.buffer.partition(b"\r\n\r\n")
        if not mark:
            if not data:
                self._end(user, 0)
            return not data
        fields = head.lower()
        length = int(fields.partition(b"content-length: ")[2].split(b"\r\n")[0])
        if len(body) < length and data:
            return False
        whole = len(body) >= length
        self._end(user, int(head.split(b" ", 2)[1]) if whole else 0)
        if not data or b"connection: close" in fields:
            self._close(user)
        return True

    def _end(self, user, status):
        latency = time.perf_counter() - user.began
        self.samples.append(Sample(user.target, user.began, latency, status))
        self.busy.discard(user)
        if status == 0:
            self._close(user)

    def _overdue(self, now):
        return [user for user in self.busy if now - user.began > self.plan.timeout]

    def _close(self, user):
        if user.socket is not None:
            self.selector.unregister(user.socket)
            user.socket.close()
            user.socket = None


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
