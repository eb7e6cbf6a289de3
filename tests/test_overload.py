"""More requests than the workers can serve: the queue has an end, and what is beyond it hears so at once."""

import contextlib
import threading
import time

import pytest

from support import users
from support.client import message
from support.wait import until

pytestmark = [
    pytest.mark.beyond_gunicorn,
    pytest.mark.over(
        "sync", "gthread", reason="requests that wait there hold up nobody, so that none queues"
    ),
]

# How many requests run at a time, in one worker.
CLASSES = pytest.mark.parametrize("threads", [1, 2], ids=["sync", "gthread"])


def answers(server, targets, keeps=True):
    """Ask for all of these at once, each on a connection of its own; (status, seconds) in their order."""
    fields = [] if keeps else [("Connection", "close")]
    connections = [server.connect() for _ in targets]
    if keeps:
        for connection in connections:
            assert connection.get("/").status == 200
    got = {}

    def ask(number, target):
        connections[number].send(message("GET", target, fields))
        got[number] = connections[number].receive()
        order.append(number)

    order = []
    threads = [threading.Thread(target=ask, args=item) for item in enumerate(targets)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for connection in connections:
        connection.close()
    return [got[number] for number in range(len(targets))], order


@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "new"])
@CLASSES
def test_a_request_that_finds_the_queue_full_is_refused_at_once(serve, threads, keeps):
    arguments = ("--max-queue", "2", "--threads", threads, "--access-logfile", "-")
    server = serve("dispatch:application", *arguments)
    responses, order = answers(server, ["/sleep/700"] * (threads + 3), keeps)
    statuses = [response.status for response in responses]
    assert sorted(statuses) == [200] * (threads + 2) + [503]
    refused = responses[statuses.index(503)]
    assert order[0] == statuses.index(503), "it was answered before the first call was over"
    assert refused.header("Retry-After") == "1"
    assert refused.header("Connection") == "close"
    assert refused.header("Date")
    server.wait_for_log('"GET /sleep/700 HTTP/1.1" 503 ')
    server.wait_for_log("Overload: 1 requests were answered with 503.")


@CLASSES
def test_a_request_that_waited_too_long_is_refused_while_others_are_served(serve, threads):
    server = serve("dispatch:application", "--max-queue-time", "200", "--threads", threads)
    responses, order = answers(server, ["/sleep/1500"] * (threads + 2))
    statuses = [response.status for response in responses]
    assert sorted(statuses) == [200] * threads + [503, 503]
    assert {statuses[number] for number in order[:2]} == {503}, "while the others ran"


def test_nothing_is_refused_without_a_limit(serve):
    responses, _ = answers(serve("dispatch:application"), ["/sleep/50"] * 12)
    assert {response.status for response in responses} == {200}


@CLASSES
def test_a_request_whose_client_has_left_is_never_started(serve, tmp_path, threads):
    server = serve("dispatch:application", "--threads", threads, "--access-logfile", "-")
    mark = tmp_path / "mark"
    holds = [tmp_path / f"hold-{number}" for number in range(threads)]
    with server.connect() as leaves, contextlib.ExitStack() as stack:
        assert leaves.get("/").status == 200
        busy = [stack.enter_context(server.connect()) for _ in holds]
        for connection, hold in zip(busy, holds, strict=True):
            connection.send(message("GET", f"/touch-and-hold{hold}"))
            until(hold.exists, "a call that is under way")
        leaves.send(message("GET", f"/touch{mark}"))
        leaves.close()
        # So long it waits: twice what makes a client be asked about.
        time.sleep(1)
        for connection, hold in zip(busy, holds, strict=True):
            hold.unlink()
            assert connection.receive().status == 200
        assert busy[0].get("/").status == 200
    server.wait_for_log('" 499 ')
    assert not mark.exists()


@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "new"])
@pytest.mark.parametrize(("workers", "threads"), [(2, 1), (1, 2)], ids=["sync", "gthread"])
def test_three_times_the_capacity(serve, workers, threads, keeps):
    arguments = ("--max-queue", "4", "--threads", threads)
    server = serve("dispatch:application", *arguments, workers=workers)
    server.get("/")
    # They serve 40 requests of 50 ms a second; 60 users want 120.
    plan = users.Plan(
        users=60, seconds=5, choose=lambda random: "/sleep/50", think=0.45, keeps=keeps
    )
    samples = users.run(server.address, plan)
    served = users.latencies(samples, status=200)
    refused = users.latencies(samples, status=503)
    assert len(served) + len(refused) == len(samples)
    assert len(refused) > 20
    # The bounds leave room for a busy machine. Measured on a quiet one: all of the capacity is used, what
    # is accepted stays below twice the 200 ms that a full queue takes, and refusals take a millisecond.
    assert len(served) > 0.6 * 40 * plan.seconds
    assert users.quantile(served, 0.9) < 800
    assert users.quantile(refused, 0.5) < 100
