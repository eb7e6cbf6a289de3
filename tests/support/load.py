"""Clients that go on asking while something happens to the server, and count what they get."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from .client import Connection
from .wait import until


@dataclass
class Answer:
    """One answered request: times are those of ``time.monotonic``."""

    began: float
    took: float
    status: int
    text: str


@dataclass
class Load:
    """``clients`` threads, each with one request after the other, as a context.

    A request fails when it gets no whole answer for whatever reason, a kept connection that the server
    closes under it included: nothing is sent twice.
    """

    address: object
    target: str = "/pid"
    clients: int = 4
    keep_alive: bool = True
    pause: float = 0.0
    answers: list = field(default_factory=list)
    failures: list = field(default_factory=list)

    def __enter__(self):
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(self.clients)]
        for thread in self._threads:
            thread.start()
        self.more(self.clients)
        return self

    def __exit__(self, *exception):
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def more(self, count=20):
        """Wait until so many further requests are answered."""
        goal = len(self.answers) + count
        until(lambda: len(self.answers) >= goal or self.failures, f"{count} more answers")

    @property
    def statuses(self):
        """How often each status came."""
        return Counter(answer.status for answer in list(self.answers))

    @property
    def slowest(self):
        """Seconds that the slowest answer took."""
        return max(answer.took for answer in list(self.answers))

    def _ask(self):
        connection = None
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                connection = connection or Connection(self.address)
                headers = [] if self.keep_alive else [("Connection", "close")]
                response = connection.get(self.target, headers)
                assert response.complete, f"an incomplete answer: {response}"
            except Exception as error:
                # Without its traceback, which keeps the connection open.
                self.failures.append((began, error.with_traceback(None)))
                if connection is not None:
                    connection.close()
                connection = None
                # Who cannot connect must not ask in vain thousands of times a second.
                self._stopped.wait(0.01)
                continue
            took = time.monotonic() - began
            self.answers.append(Answer(began, took, response.status, response.text))
            if response.header("Connection", "").lower() == "close":
                connection.close()
                connection = None
            self._stopped.wait(self.pause)
        if connection is not None:
            connection.close()
