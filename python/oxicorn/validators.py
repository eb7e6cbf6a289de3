"""Validators for settings that programs add: each turns what was written into the value, or raises."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from oxicorn import callables


def validate_bool(val: Any) -> bool | None:
    """Accept a bool or the words true and false."""
    if val is None or isinstance(val, bool):
        return val
    words = {"true": True, "false": False}
    if not isinstance(val, str):
        raise TypeError(f"Invalid type for casting: {val}")
    if val.strip().lower() not in words:
        raise ValueError(f"Invalid boolean: {val}")
    return words[val.strip().lower()]


def validate_dict(val: Any) -> dict[Any, Any]:
    """Accept a dictionary."""
    if not isinstance(val, dict):
        raise TypeError(f"Value is not a dictionary: {val}")
    return val


def validate_pos_int(val: Any) -> int:
    """Accept a number that is not negative, also as text in any base of Python."""
    number = int(val, 0) if isinstance(val, str) else int(val)
    if number < 0:
        raise ValueError(f"Value must be positive: {val}")
    return number


def validate_string(val: Any) -> str | None:
    """Accept text, or nothing."""
    if val is None:
        return None
    if not isinstance(val, str):
        raise TypeError(f"Not a string: {val}")
    return val.strip()


def validate_file_exists(val: Any) -> str | None:
    """Accept the path of something that exists, or nothing."""
    if val is not None and not os.path.exists(val):
        raise ValueError(f"File {val} does not exists.")
    return val


def validate_list_string(val: Any) -> list[str]:
    """Accept several texts, or one."""
    items = [val] if isinstance(val, str) else val or []
    return [text for item in items if (text := validate_string(item)) is not None]


def validate_string_to_list(val: Any) -> list[str]:
    """Accept texts separated by commas."""
    return [item.strip() for item in (validate_string(val) or "").split(",") if item.strip()]


def validate_class(val: Any) -> Any:
    """Accept a class, its name, or a function that returns either."""
    value = callables.class_or_name(val)
    return validate_string(value) if isinstance(value, str) else value


def validate_callable(arity: int) -> Callable[[Any], Callable[..., Any]]:
    """Make a validator of functions with so many parameters; -1 allows any number."""

    def validate(val: Any) -> Callable[..., Any]:
        value = callables.named("callable", val) if isinstance(val, str) else val
        if not callable(value):
            raise TypeError(f"Value is not callable: {val}")
        if arity not in (-1, callables.positional_parameters(value)):
            raise TypeError(f"Value must have an arity of: {arity}")
        return value

    return validate


def validate_user(val: Any) -> int:
    """Accept the name or the number of a user."""
    return callables.user(val)


def validate_group(val: Any) -> int:
    """Accept the name or the number of a group."""
    return callables.group(val)
