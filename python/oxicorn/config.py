"""The configuration as configuration files, hooks and worker classes see it.

The table of settings, their validation and the command line are in the Rust core. Here is what only
Python can judge: callables, classes and account names, and the attributes derived from settings.
"""

from __future__ import annotations

import inspect
import ipaddress
import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from oxicorn import _oxicorn, callables
from oxicorn.errors import ConfigError
from oxicorn.validators import (
    validate_bool,
    validate_callable,
    validate_class,
    validate_dict,
    validate_file_exists,
    validate_group,
    validate_list_string,
    validate_pos_int,
    validate_string,
    validate_string_to_list,
    validate_user,
)

if TYPE_CHECKING:
    import argparse

__all__ = [
    "KNOWN_SETTINGS",
    "Config",
    "Setting",
    "make_settings",
    "validate_bool",
    "validate_callable",
    "validate_class",
    "validate_dict",
    "validate_file_exists",
    "validate_group",
    "validate_list_string",
    "validate_pos_int",
    "validate_string",
    "validate_string_to_list",
    "validate_user",
]


#: The class of every setting, those that programs add included.
KNOWN_SETTINGS: list[type[Setting]] = []


class Setting:
    """A setting and its value.

    A subclass with a ``name`` adds a setting: from then on every configuration has it. ``validator``
    turns what was written into the value, or raises. With ``cli``, a list of flags, the command line
    has it too.
    """

    name: Any = None
    section: Any = None
    cli: Any = None
    validator: Any = None
    type: Any = None
    meta: Any = None
    action: Any = None
    nargs: Any = None
    const: Any = None
    default: Any = None
    desc: Any = None
    short: Any = None
    #: Where the value was written, for errors.
    origin: str = "configuration"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        validator = cls.__dict__.get("validator")
        if inspect.isfunction(validator):
            # A plain function as class attribute would be called with the setting as well.
            cls.validator = staticmethod(validator)
        if not cls.name:
            return
        cls.desc = inspect.cleandoc(cls.desc or "")
        cls.short = cls.short or cls.desc.partition("\n")[0]
        # A second one of this name replaces the first: so a module can be loaded again.
        KNOWN_SETTINGS[:] = [known for known in KNOWN_SETTINGS if known.name != cls.name]
        KNOWN_SETTINGS.append(cls)

    def __init__(self) -> None:
        self.value: Any = None
        if self.default is not None:
            self.set(self.default)

    def get(self) -> Any:
        """The value."""
        return self.value

    def set(self, value: Any, origin: str = "configuration") -> None:
        """Validate and store a value; ``origin`` says in an error where it was written."""
        if not callable(self.validator):
            raise TypeError(f"Invalid validator: {self.validator} for {self.name}")
        self.value = self.validator(value)

    def add_option(self, parser: argparse.ArgumentParser) -> None:
        """Add the flags to a parser of command lines."""
        if not self.cli:
            return
        action = self.action or "store"
        options: dict[str, Any] = {"metavar": self.meta, "nargs": self.nargs, "const": self.const}
        if action in ("store", "append"):
            options["type"] = self.type or str
        given = {name: value for name, value in options.items() if value is not None}
        parser.add_argument(
            *self.cli, dest=self.name, action=action, default=None, help=self.short, **given
        )

    def __repr__(self) -> str:
        return f"<Setting {self.name} = {self.value!r}>"


class TableSetting(Setting):
    """A setting of the server's own table."""

    kind: str
    arity: list[int]
    #: Somebody wrote the value, be it the default's.
    is_written: bool

    def __init__(self, row: dict[str, Any] | None = None) -> None:
        # Read again: a default may come from the environment.
        row = row or next(row for row in _oxicorn.settings() if row["name"] == self.name)
        self.default = default_of(row)
        self.value = None
        self.set(self.default, row["origin"])
        self.is_written = False

    def set(self, value: Any, origin: str = "configuration") -> None:
        """Validate and store a value; ``origin`` says in an error where it was written."""
        if self.kind == "hook":
            self.value = callables.hook(self.name, value, self.arity)
        elif self.kind == "user":
            self.value = callables.user(value)
        elif self.kind == "group":
            self.value = callables.group(value)
        else:
            if self.kind == "class":
                value = callables.class_or_name(value)
            self.value = _oxicorn.accept(self.name, value, origin)
        self.is_written = True
        self.origin = origin


def default_of(row: dict[str, Any]) -> Any:
    """The default that a row of the table stands for."""
    if row["kind"] == "hook":
        return callables.default_hook(row["name"], row["arity"][0])
    return row["default"]


def declare(row: dict[str, Any]) -> None:
    """Make the class of a setting of the table."""
    content = {
        "name": row["name"],
        "section": row["section"],
        "cli": row["flags"],
        "desc": row["help"],
        "kind": row["kind"],
        "arity": row["arity"],
        "default": default_of(row),
        "__module__": __name__,
    }
    type(row["name"].title().replace("_", ""), (TableSetting,), content)


for _row in _oxicorn.settings():
    declare(_row)


def make_settings(ignore: Iterable[str] | None = None) -> dict[str, Setting]:
    """Every known setting at its default, by name."""
    rows = {row["name"]: row for row in _oxicorn.settings()}
    return {
        known.name: known(rows[known.name]) if issubclass(known, TableSetting) else known()
        for known in KNOWN_SETTINGS
        if known.name not in (ignore or ())
    }


class Config:
    """Every setting as an attribute, and the attributes derived from them."""

    settings: dict[str, Setting]

    def __init__(self, usage: str | None = None, prog: str | None = None) -> None:
        self.usage = usage
        self.prog = prog or "oxicorn"
        self.env_orig = os.environ.copy()
        self.settings = make_settings()

    def __getattr__(self, name: str) -> Any:
        setting = self.__dict__.get("settings", {}).get(name)
        if setting is None:
            raise AttributeError(f"No configuration setting for: {name}")
        return setting.value

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("settings", {}):
            raise AttributeError("Invalid access!")
        super().__setattr__(name, value)

    def set(self, name: str, value: Any, origin: str = "configuration") -> None:
        """Change a setting."""
        if name not in self.settings:
            raise AttributeError(f"No configuration setting for: {name}")
        self.settings[name].set(value, origin)

    def __str__(self) -> str:
        width = max(map(len, self.settings))
        entries = sorted(self.settings.items())
        return "\n".join(f"{name:{width}} = {shown(entry.value)}" for name, entry in entries)

    # Derived attributes. A property goes before __getattr__: some hide the setting of their name.

    @property
    def address(self) -> list[tuple[str, int] | str | int]:
        """``bind``, parsed: a host and port, the path of a unix socket, or a descriptor."""
        return [_oxicorn.parse_address(address) for address in self.bind]

    @property
    def uid(self) -> int:
        """User id of the workers."""
        return self.user

    @property
    def gid(self) -> int:
        """Group id of the workers."""
        return self.group

    @property
    def proc_name(self) -> str:
        """Name for process titles."""
        return self.settings["proc_name"].value or self.settings["default_proc_name"].value

    @property
    def worker_class_str(self) -> str:
        """Name of the worker class, as the log shows it."""
        worker_class = self.settings["worker_class"].value
        if not isinstance(worker_class, str):
            return worker_class.__name__
        is_sync = worker_class == "sync" or worker_class.endswith("SyncWorker")
        return "gthread" if is_sync and self.threads > 1 else worker_class

    @property
    def worker_class(self) -> type:
        """The worker class, set up."""
        value = self.settings["worker_class"].value
        found = callables.worker_class(self.worker_class_str if isinstance(value, str) else value)
        if hasattr(found, "setup"):
            found.setup()
        return found

    @property
    def logger_class(self) -> type:
        """The class that writes the logs."""
        value = self.settings["logger_class"].value
        if self.statsd_host and value == self.settings["logger_class"].default:
            value = "oxicorn.instrument.statsd.Statsd"
        return callables.logger_class(value)

    @property
    def is_ssl(self) -> bool:
        """Whether the listeners speak TLS."""
        return bool(self.certfile or self.keyfile)

    @property
    def ssl_options(self) -> dict[str, Any]:
        """The settings of the SSL section."""
        entries = self.settings.items()
        return {name: entry.value for name, entry in entries if entry.section == "SSL"}

    @property
    def env(self) -> dict[str, str]:
        """``raw_env`` as a dictionary."""
        return assignments("raw_env", self.raw_env)

    @property
    def paste_global_conf(self) -> dict[str, str] | None:
        """``raw_paste_global_conf`` as a dictionary."""
        return dict(map(paste_assignment, self.raw_paste_global_conf)) or None

    @property
    def sendfile(self) -> bool:
        """Whether the kernel may send files: unless it was turned off."""
        return self.settings["sendfile"].value is not False

    def forwarded_allow_networks(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        """``forwarded_allow_ips`` without ``*``, parsed."""
        return networks(self.forwarded_allow_ips)

    def proxy_allow_networks(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        """``proxy_allow_ips`` without ``*``, parsed."""
        return networks(self.proxy_allow_ips)


def shown(value: Any) -> Any:
    """A value as ``--print-config`` prints it."""
    return f"<{value.__qualname__}()>" if hasattr(value, "__qualname__") else value


def assignments(name: str, items: list[str]) -> dict[str, str]:
    """``NAME=VALUE`` items as a dictionary."""
    for item in items:
        if "=" not in item:
            raise ConfigError(f"{name} cannot contain {item!r}: expected NAME=VALUE")
    return dict(item.split("=", 1) for item in items)


def paste_assignment(item: str) -> tuple[str, str]:
    r"""``NAME=VALUE``, where ``\=`` means the character itself."""
    name, *value = re.split(r"(?<!\\)=", item, maxsplit=1)
    if not value:
        raise ConfigError(f"raw_paste_global_conf cannot contain {item!r}: expected NAME=VALUE")
    return name.replace("\\=", "="), value[0].replace("\\=", "=")


def networks(items: list[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Addresses and networks, parsed."""
    return [ipaddress.ip_network(item) for item in items if item != "*"]
