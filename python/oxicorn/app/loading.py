"""From ``MODULE:EXPRESSION`` to the application.

What the module raises while it is imported, or a factory while it runs, goes through as it is:
the traceback is what its author needs. Everything else is an AppImportError of one line.
"""

from __future__ import annotations

import ast
import importlib
import os
import traceback
from types import ModuleType
from typing import Any

from oxicorn.errors import AppImportError


def load_application(spec: str) -> Any:
    """The application that the spec names.

    The expression is a name, ``OBJECT.ATTRIBUTE`` or ``FACTORY(ARGUMENTS)``; without one the name
    is ``application``.
    """
    module_name, _, expression = spec.partition(":")
    expression = expression or "application"
    hint_at_file_name(module_name, expression)
    module = importlib.import_module(module_name)
    application = evaluate(module, expression)
    if application is None:
        raise AppImportError(f"Failed to find application object: {expression!r}")
    if not callable(application):
        raise AppImportError("Application object must be callable.")
    return application


def hint_at_file_name(module_name: str, expression: str) -> None:
    """Refuse the name of a file before anything is imported.

    As a module name ``app.py`` would execute ``app`` and then fail for want of ``app.py``.
    """
    if module_name.endswith(".py") and os.path.exists(module_name):
        module = module_name.removesuffix(".py").replace(os.sep, ".")
        raise ImportError(f"Failed to find application, did you mean '{module}:{expression}'?")


def evaluate(module: ModuleType, expression: str) -> Any:
    """What the expression names in the module, or what it returns if it is a call."""
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError:
        tree = None
    if isinstance(tree, ast.Call):
        return call(module, tree, expression)
    names = dotted_names(tree)
    if not names:
        raise AppImportError(
            f"Failed to parse {expression!r} as an attribute name or function call."
        )
    found: Any = module
    for name in names:
        found = attribute(found, name, module.__name__)
    return found


def dotted_names(tree: ast.AST | None) -> list[str]:
    """``a.b.c`` as its names; nothing for any other expression."""
    if isinstance(tree, ast.Name):
        return [tree.id]
    if isinstance(tree, ast.Attribute) and (names := dotted_names(tree.value)):
        return [*names, tree.attr]
    return []


def attribute(holder: Any, name: str, module_name: str) -> Any:
    """``getattr`` with the message that operators know."""
    try:
        return getattr(holder, name)
    except AttributeError:
        raise AppImportError(f"Failed to find attribute {name!r} in {module_name!r}.") from None


def call(module: ModuleType, tree: ast.Call, expression: str) -> Any:
    """Call a factory of the module with literal arguments."""
    if not isinstance(tree.func, ast.Name):
        raise AppImportError(f"Function reference must be a simple name: {expression!r}")
    not_literal = AppImportError(f"Failed to parse arguments as literal values: {expression!r}")
    try:
        arguments = [ast.literal_eval(argument) for argument in tree.args]
        keywords = {
            argument.arg or "**": ast.literal_eval(argument.value) for argument in tree.keywords
        }
    except ValueError:
        raise not_literal from None
    if "**" in keywords:
        raise not_literal
    factory = attribute(module, tree.func.id, module.__name__)
    try:
        return factory(*arguments, **keywords)
    except TypeError as error:
        # Raised by the call itself, not by a line of the factory: the arguments do not fit.
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:
            raise AppImportError(traceback.format_exception_only(error)[-1].strip()) from None
        raise
