"""What an application is told of its request's time and of its client."""

import pytest

from support.client import message

pytestmark = [pytest.mark.beyond_gunicorn]

CLASSES = pytest.mark.parametrize("worker_class", ["sync", "gthread", "gevent", "asgi"])


@pytest.fixture
def served(start):
    def begin(worker_class, *arguments):
        if worker_class == "gevent":
            pytest.importorskip("gevent")
        app = "leaving:asgi" if worker_class == "asgi" else "leaving:application"
        master = start("--worker-class", worker_class, *arguments, app=app)
        master.up(1)
        return master

    return begin


def ask(connection, target):
    connection.send(message("GET", target))
    return connection.receive().text


@CLASSES
def test_the_deadline_is_on_the_clock_of_monotonic(served, worker_class):
    master = served(worker_class, "--timeout", "60")
    with master.connect() as connection:
        for _ in range(3):
            left, gone = ask(connection, "/budget").split()
            assert 30 < float(left) <= 60
            assert gone == "False"


@CLASSES
def test_without_timeout_there_is_no_deadline(served, worker_class):
    master = served(worker_class, "--timeout", "0")
    with master.connect() as connection:
        assert [ask(connection, "/budget") for _ in range(3)] == ["none False"] * 3


@CLASSES
@pytest.mark.parametrize("before", [0, 2])
def test_an_application_hears_of_its_client_while_it_works(served, worker_class, before):
    master = served(worker_class)
    with master.connect() as connection:
        for _ in range(before):
            ask(connection, "/keep")
        connection.send(message("GET", "/wait"))
    master.wait_for_log("told True True")
    # Those before were over.
    with master.connect() as connection:
        ask(connection, "/keep")
    with master.connect() as connection:
        assert "False" in ask(connection, "/budget")
    assert "too late" not in master.log


@CLASSES
def test_what_is_no_callback_is_refused(served, worker_class):
    master = served(worker_class)
    with master.connect() as connection:
        text = ask(connection, "/wrong")
    assert text == "on_disconnect takes a callable without arguments, not int"
