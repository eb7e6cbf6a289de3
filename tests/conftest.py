"""Fixtures for all black-box tests; the rest of the machinery is in ``support``."""

import contextlib

import pytest

from support import cgroup
from support import nginx as nginx_support
from support.master import Master
from support.server import IS_GUNICORN, WORKER, Server
from support.wait import until


def pytest_collection_modifyitems(config, items):
    """Leave out what Gunicorn, or the worker class under test, does not claim."""
    if WORKER != "sync":
        same = [item for item in items if not depends_on_class(item)]
        items[:] = [item for item in items if depends_on_class(item)]
        config.hook.pytest_deselected(items=same)
    for item in items:
        if IS_GUNICORN and item.get_closest_marker("beyond_gunicorn"):
            item.add_marker(pytest.mark.skip(reason="Gunicorn does not do this"))
        for over in item.iter_markers("over"):
            if WORKER not in over.args:
                item.add_marker(
                    pytest.mark.skip(reason=f"not over {WORKER}: {over.kwargs['reason']}")
                )


def depends_on_class(item):
    """Whether the test starts a server and leaves the worker class to us."""
    starts_server = {"serve", "start", "serve_module"} & set(item.fixturenames)
    named = item.get_closest_marker("names_class")
    return starts_server and (named is None or WORKER in named.args)


@pytest.fixture
def serve(tmp_path):
    """Start a server for one test: ``serve("module:app", "--flag", ...)``."""
    with contextlib.ExitStack() as running:

        def start(app, *arguments, **options):
            return running.enter_context(Server(tmp_path, app, *arguments, **options))

        yield start


@pytest.fixture
def memory_group():
    """The file for pids of a group with little memory. Ask for it before ``start``: it outlives its processes."""
    procs = cgroup.limited(400_000_000)
    if procs is None:
        pytest.skip("no cgroup with a memory limit can be made here")
    yield procs
    until(lambda: not procs.read_text(), "an empty group")
    procs.parent.rmdir()


@pytest.fixture
def start(tmp_path):
    """Start a server to be watched as processes: ``start(*arguments, config=..., app=...)``."""
    with contextlib.ExitStack() as running:

        def start(*arguments, **options):
            return running.enter_context(Master(tmp_path, *arguments, **options))

        yield start


@pytest.fixture(scope="module")
def serve_module(tmp_path_factory):
    """Start a server that all tests of a file share."""
    with contextlib.ExitStack() as running:

        def start(app, *arguments, **options):
            folder = tmp_path_factory.mktemp("server")
            return running.enter_context(Server(folder, app, *arguments, **options))

        yield start


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    """Put nginx in front of a server: ``nginx(server)``."""
    if nginx_support.PROGRAM is None:
        pytest.skip("nginx is not installed here (make deps-nginx)")
    with contextlib.ExitStack() as running:

        def start(server):
            folder = tmp_path_factory.mktemp("nginx")
            return running.enter_context(nginx_support.Nginx(folder, server))

        yield start
