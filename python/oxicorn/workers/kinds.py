"""Which interface an application speaks, found out without calling it."""

from __future__ import annotations

import functools
import inspect
from typing import Any

#: What an ASGI application is called with.
ASGI_PARAMETERS = ["scope", "receive", "send"]


def is_asgi(application: Any) -> bool:
    """Tell whether this is an ASGI 3 application: awaited, with scope, receive and send."""
    application = unwrapped(application)
    if inspect.isclass(application):
        return hasattr(application, "__await__")
    call = application if inspect.isroutine(application) else type(application).__call__
    if inspect.iscoroutinefunction(unwrapped(call)):
        return True
    # A plain function may return the coroutine of another one.
    return parameters(application) == ASGI_PARAMETERS


def is_wsgi(application: Any) -> bool:
    """Tell whether this can only be a WSGI application: called with two arguments."""
    names = parameters(unwrapped(application))
    return not is_asgi(application) and names is not None and len(names) == 2


def unwrapped(application: Any) -> Any:
    """What ``functools.partial`` was made of."""
    while isinstance(application, functools.partial):
        application = application.func
    return application


def parameters(application: Any) -> list[str] | None:
    """The names of the parameters without a default, or None for what cannot tell."""
    try:
        found = inspect.signature(application).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(one.kind is one.VAR_POSITIONAL for one in found):
        return None
    return [
        one.name
        for one in found
        if one.default is one.empty and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
