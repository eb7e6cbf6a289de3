"""Classes that installed distributions offer by name."""

from __future__ import annotations

import importlib
from typing import Any

from oxicorn.errors import ConfigError

#: Where distributions register worker classes.
WORKERS = "gunicorn.workers"
LOGGERS = "gunicorn.loggers"


def load_object(name: Any, group: str, default: str = "") -> Any:
    """What a setting names, loaded.

    The name is ``egg:DISTRIBUTION#NAME``, a dotted path, or the name of an entry point of the group.
    Anything but text is what it is. What an import raises goes through.
    """
    if not isinstance(name, str):
        return name
    if name.startswith("egg:"):
        distribution, _, entry = name.removeprefix("egg:").partition("#")
        return entry_point(distribution, group, entry or default)
    module, _, attribute = name.rpartition(".")
    if not module:
        return registered(name, group)
    try:
        return getattr(importlib.import_module(module), attribute)
    except AttributeError:
        raise ImportError(f"module {module!r} has no {attribute!r}", name=module) from None


def entry_point(distribution: str, group: str, name: str) -> Any:
    """What a distribution offers under this name."""
    # Costly, and few servers need it.
    from importlib import metadata

    try:
        offered = metadata.distribution(distribution).entry_points
    except metadata.PackageNotFoundError:
        raise ConfigError(f"distribution {distribution!r} is not installed") from None
    for point in offered.select(group=group, name=name):
        return point.load()
    raise ConfigError(f"distribution {distribution!r} offers no {name!r} in {group!r}")


def registered(name: str, group: str) -> Any:
    """What any distribution offers under this name."""
    from importlib import metadata

    for point in metadata.entry_points(group=group, name=name):
        return point.load()
    raise ConfigError(f"no installed distribution offers {name!r} in {group!r}")
