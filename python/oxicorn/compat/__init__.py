"""``import gunicorn`` where Gunicorn is not installed.

Configuration files, applications and worker classes that were written for Gunicorn import its
modules. In a process of ours they get the modules of oxicorn under those names. The very same modules: a
subclass of ``gunicorn.workers.base.Worker`` is one of ``oxicorn.workers.base.Worker``.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from types import ModuleType
from typing import Any

PACKAGE = "gunicorn"

#: Its own module, the only one that is not another one of ours: submodules are looked up by its name.
ROOT = os.path.join(os.path.dirname(__file__), "package.py")

#: What is imported under the name on the left.
MODULES = {
    "gunicorn.app": "oxicorn.app",
    "gunicorn.app.base": "oxicorn.app.base",
    "gunicorn.app.pasterapp": "oxicorn.app.paste",
    "gunicorn.app.wsgiapp": "oxicorn.app.wsgiapp",
    "gunicorn.arbiter": "oxicorn.arbiter",
    "gunicorn.config": "oxicorn.config",
    "gunicorn.errors": "oxicorn.errors",
    "gunicorn.glogging": "oxicorn.glogging",
    "gunicorn.http": "oxicorn.http",
    "gunicorn.http.errors": "oxicorn.http.errors",
    "gunicorn.http.message": "oxicorn.http.message",
    "gunicorn.instrument": "oxicorn.instrument",
    "gunicorn.instrument.statsd": "oxicorn.instrument.statsd",
    "gunicorn.util": "oxicorn.compat.util",
    "gunicorn.workers": "oxicorn.workers",
    "gunicorn.workers.base": "oxicorn.workers.base",
    "gunicorn.workers.base_async": "oxicorn.workers.base_async",
    "gunicorn.workers.gasgi": "oxicorn.workers.gasgi",
    "gunicorn.workers.geventlet": "oxicorn.workers.geventlet",
    "gunicorn.workers.ggevent": "oxicorn.workers.ggevent",
    "gunicorn.workers.gthread": "oxicorn.workers.gthread",
    "gunicorn.workers.gtornado": "oxicorn.workers.gtornado",
    "gunicorn.workers.sync": "oxicorn.workers.sync",
    "gunicorn.dirty": "oxicorn.dirty",
}


def install(*, replace: bool = False) -> None:
    """Serve these names from now on; ``replace``: also those that Gunicorn itself was imported as."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        # First, so that the same holds whether Gunicorn is installed or not.
        sys.meta_path.insert(0, Finder())
    if replace:
        for name, module in list(sys.modules.items()):
            if is_gunicorn(name) and is_gunicorn(module.__name__) and module.__file__ != ROOT:
                del sys.modules[name]


def is_gunicorn(name: str) -> bool:
    """Whether this is Gunicorn's package or in it."""
    return name.partition(".")[0] == PACKAGE


class Finder:
    """Finds ours under Gunicorn's names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Tell what to import for this name; nothing for names that are not Gunicorn's."""
        if not is_gunicorn(fullname):
            return None
        if fullname == PACKAGE:
            return spec_from_file_location(PACKAGE, ROOT, submodule_search_locations=[])
        if fullname not in MODULES:
            # Nobody else may look: further finders would find our own files under this name.
            message = f"No module named {fullname!r} (oxicorn stands in for Gunicorn here)"
            raise ModuleNotFoundError(message, name=fullname)
        return ModuleSpec(fullname, Alias(MODULES[fullname]))  # type: ignore[arg-type]


class Alias:
    """Loads another module instead."""

    def __init__(self, target: str) -> None:
        self.target = target

    def create_module(self, spec: ModuleSpec) -> Any:
        """Leave it to the import system: what it makes is thrown away."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the other module in the place of this one, as the import system allows."""
        name = module.__name__
        try:
            sys.modules[name] = importlib.import_module(self.target)
        except ModuleNotFoundError as error:
            if error.name is None or not self.target.startswith(error.name):
                raise
            message = f"{name} cannot be imported: this version of oxicorn has nothing like it"
            raise ImportError(message, name=name) from None
