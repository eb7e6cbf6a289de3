"""An application gets the worker class that can run it, or a line that says which one can."""

import pytest

pytestmark = [pytest.mark.beyond_gunicorn, pytest.mark.names_class]

APPS = """
import functools

async def function(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"asgi"})

class Callable:
    async def __call__(self, scope, receive, send):
        await function(scope, receive, send)

instance = Callable()
partial = functools.partial(function)

def plain(scope, receive, send):
    return function(scope, receive, send)

def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [b"wsgi"]
"""


@pytest.fixture
def choose(start, tmp_path):
    (tmp_path / "choice_apps.py").write_text(APPS)

    def choose(name, *arguments):
        environment = {"PYTHONPATH": str(tmp_path)}
        return start(*arguments, app=f"choice_apps:{name}", environment=environment)

    return choose


@pytest.mark.parametrize("name", ["function", "instance", "partial", "plain"])
def test_an_asgi_application_is_recognised(choose, name):
    master = choose(name)
    master.wait_for_log("The application is an ASGI application: using the asgi worker.")
    master.up(1)
    assert master.answers() == "asgi"


def test_a_preloaded_one_is_recognised(choose):
    master = choose("function", "--preload")
    master.up(1)
    assert master.answers() == "asgi"


def test_a_wsgi_application_is_none(choose):
    master = choose("wsgi")
    master.up(1)
    assert master.answers() == "wsgi"
    assert "ASGI" not in master.log


@pytest.mark.parametrize(
    ("name", "worker_class", "line"),
    [
        (
            "wsgi",
            "asgi",
            "The application is a WSGI application, which the asgi worker cannot run: "
            "use --worker-class sync or gthread.",
        ),
        (
            "function",
            "sync",
            "The application is an ASGI application, which the sync worker cannot run: "
            "use --worker-class asgi.",
        ),
        (
            "function",
            "gthread",
            "The application is an ASGI application, which the gthread worker cannot run: "
            "use --worker-class asgi.",
        ),
    ],
)
def test_a_class_that_cannot_run_the_application_says_which_one_can(
    choose, name, worker_class, line
):
    master = choose(name, "--worker-class", worker_class)
    assert master.exit_status() == 4
    assert line in master.log.splitlines()
    assert "Traceback" not in master.log
