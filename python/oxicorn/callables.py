"""Values of settings that name or are Python objects: hooks, classes, accounts."""

from __future__ import annotations

import functools
import grp
import importlib
import inspect
import os
import pwd
import traceback
from collections.abc import Callable
from typing import Any

from oxicorn import entry_points
from oxicorn.errors import ConfigError

WORKER_CLASSES = {
    "asgi": "oxicorn.workers.gasgi.ASGIWorker",
    "eventlet": "oxicorn.workers.geventlet.EventletWorker",
    "gevent": "oxicorn.workers.ggevent.GeventWorker",
    "gevent_pywsgi": "oxicorn.workers.ggevent.GeventWorker",
    "gevent_wsgi": "oxicorn.workers.ggevent.GeventWorker",
    "gthread": "oxicorn.workers.gthread.ThreadWorker",
    "sync": "oxicorn.workers.sync.SyncWorker",
    "tornado": "oxicorn.workers.gtornado.TornadoWorker",
}
#: What to install for a module that worker classes need or are in.
INSTALLABLE = {
    "eventlet": "oxicorn[eventlet]",
    "gevent": "oxicorn[gevent]",
    "tornado": "oxicorn[tornado]",
    "uvicorn": "uvicorn",
    "uvicorn_worker": "uvicorn-worker",
}


def default_hook(name: str, arity: int) -> Callable[..., None]:
    """The hook that holds when none was written: it does nothing, or logs the request."""

    def one(_server: Any) -> None: ...

    def two(_server: Any, _worker: Any) -> None: ...

    def three(_server: Any, _new: Any, _old: Any) -> None: ...

    def four(_worker: Any, _request: Any, _environ: Any, _response: Any) -> None: ...

    def log_request(worker: Any, request: Any) -> None:
        worker.log.debug("%s %s", request.method, request.path)

    function = log_request if name == "pre_request" else (one, two, three, four)[arity - 1]
    function.__name__ = function.__qualname__ = name
    return function


def hook(name: str, value: Any, arity: list[int]) -> Callable[..., Any]:
    """A callable with one of these numbers of positional parameters, or the dotted name of one."""
    if isinstance(value, str):
        value = named(name, value.strip())
    if not callable(value):
        raise ConfigError(f"Value is not callable: {value}")
    parameters = positional_parameters(value)
    if parameters not in arity:
        raise ConfigError(f"Value must have an arity of: {' or '.join(map(str, arity))}")
    return value if parameters == arity[0] else shortened(value, parameters)


def shortened(function: Callable[..., Any], parameters: int) -> Callable[..., Any]:
    """``function`` called with only the first of its arguments."""

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return function(*arguments[:parameters])

    return call


def positional_parameters(function: Callable[..., Any]) -> int | None:
    """How many parameters can be given by position, or None for what cannot tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def named(setting: str, path: str) -> Any:
    """The object that ``package.module.attribute`` names."""
    module, _, attribute = path.rpartition(".")
    if not module:
        expected = "expected a callable or 'package.module.attribute'"
        raise ConfigError(f"{setting} cannot be {path!r}: {expected}")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{setting} cannot be {path!r}: {error}") from error


def class_or_name(value: Any) -> Any:
    """A class may be given by a function that returns it, or its name."""
    return value() if inspect.isfunction(value) or inspect.ismethod(value) else value


def worker_class(value: Any) -> type:
    """The worker class of this name."""
    path = WORKER_CLASSES.get(value, value) if isinstance(value, str) else value
    return load_class("worker_class", value, path, entry_points.WORKERS)


def logger_class(value: Any) -> type:
    """The logger class of this name."""
    name = "oxicorn.glogging.Logger" if value == "simple" else value
    return load_class("logger_class", value, name, entry_points.LOGGERS)


def load_class(setting: str, value: Any, path: Any, group: str) -> type:
    """The class itself, from its path if that is what ``value`` stands for."""
    try:
        found = entry_points.load_object(path, group)
    except ConfigError as error:
        raise ConfigError(f"{setting} cannot be {value!r}: {error}") from error
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in INSTALLABLE:
            remedy = f"pip install {INSTALLABLE[package]}"
        elif str(value).startswith(f"{package}."):
            remedy = "expected a module that is installed, or in --pythonpath"
        else:
            # The failed import is in the middle of the class's own module: its place matters.
            raise not_found(setting, value) from error
        raise ConfigError(f"{setting} cannot be {value!r}: {error}: {remedy}") from error
    except Exception as error:  # any failure of the import means that there is no such class
        raise not_found(setting, value) from error
    if not inspect.isclass(found):
        raise ConfigError(f"{setting} cannot be {value!r}: expected a class")
    return found


def not_found(setting: str, value: Any) -> ConfigError:
    """What to raise while an import's exception is handled."""
    reason = f"no such class\n\n{traceback.format_exc()}"
    return ConfigError(f"{setting} cannot be {value!r}: {reason}")


def user(value: Any) -> int:
    """A user id, from the id, its digits or a name."""
    if value is None:
        return os.geteuid()
    return account("user", value, lambda name: pwd.getpwnam(name).pw_uid)


def group(value: Any) -> int:
    """A group id, from the id, its digits or a name."""
    if value is None:
        return os.getegid()
    return account("group", value, lambda name: grp.getgrnam(name).gr_gid)


def account(kind: str, value: Any, lookup: Callable[[str], int]) -> int:
    """An account's id, from the id, its digits or a name."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        if value.strip().isdigit():
            return int(value)
        try:
            return lookup(value)
        except KeyError:
            raise ConfigError(f"No such {kind}: '{value}'") from None
    raise ConfigError(f"{kind} cannot be {value!r}: expected a name or a number")
