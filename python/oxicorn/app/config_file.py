"""Configuration files: Python that is executed."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from importlib.machinery import SourcelessFileLoader
from types import CodeType, ModuleType
from typing import Any

from oxicorn.errors import ConfigError

# Of the files that are read unasked, the first that exists.
DEFAULTS = ("oxicorn.conf.py", "gunicorn.conf.py")
MODULE = "__config__"


def default() -> str | None:
    """The file to read when none was named, if there is one in this directory."""
    return next((path for path in map(os.path.abspath, DEFAULTS) if os.path.exists(path)), None)


def execute(location: str) -> dict[str, Any]:
    """The globals of a configuration file: ``PATH``, ``file:PATH`` or ``python:MODULE``."""
    if location.startswith("python:"):
        return imported(location.removeprefix("python:"))
    return executed(location.removeprefix("file:"))


def imported(module: str) -> dict[str, Any]:
    """The globals of a module, which is imported anew so that a reload sees its changes."""
    sys.modules.pop(module, None)
    importlib.invalidate_caches()
    try:
        return vars(importlib.import_module(module))
    except Exception as error:
        raise failure(f"python:{module}", error) from error


def executed(path: str) -> dict[str, Any]:
    """The globals of a file, which is executed under a module name of its own."""
    if not os.path.exists(path):
        raise ConfigError(f"{path!r} doesn't exist")
    if os.path.splitext(path)[1] not in (".py", ".pyc"):
        print(
            "!!!\n"
            "!!! WARNING: a configuration file is Python and its name should end in '.py'.\n"
            f"!!! {path} is read as Python all the same.",
            file=sys.stderr,
        )
    module = ModuleType(MODULE)
    module.__file__ = path
    sys.modules[MODULE] = module
    try:
        exec(code(path), vars(module))
    except (Exception, SystemExit) as error:
        raise failure(path, error) from error
    return vars(module)


def code(path: str) -> CodeType:
    """The code of a file, compiled or source."""
    if path.endswith(".pyc"):
        return SourcelessFileLoader(MODULE, path).get_code(MODULE)  # type: ignore[return-value]
    # Past the bytecode cache, which cannot tell two versions of one second and one length apart.
    with open(path, "rb") as file:
        return compile(file.read(), path, "exec")


def failure(location: str, error: BaseException) -> ConfigError:
    """Show the operator the traceback, and make the error that ends the start or the reload."""
    print(f"Failed to read config file: {location}", file=sys.stderr)
    traceback.print_exc()
    sys.stderr.flush()
    reason = traceback.format_exception_only(error)[-1].strip()
    return ConfigError(f"{location} cannot be read: {reason}")
