"""The configuration as configuration files, hooks and worker classes see it.

The table of settings, their validation and the command line are in the Rust core. Here is what only
Python can judge: callables, classes and account names, and the attributes derived from settings.
"""

from __future__ import annotations

import ipaddress
import os
from typing import Any

from oxicorn import _oxicorn, callables
from oxicorn.errors import ConfigError


class Setting:
    """One setting and its value."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.name: str = row["name"]
        self.section: str = row["section"]
        self.cli: list[str] = row["flags"]
        self.desc: str = row["help"]
        self.kind: str = row["kind"]
        self.arity: list[int] = row["arity"]
        self.default: Any = row["default"]
        if self.kind == "hook":
            self.default = callables.default_hook(self.name, self.arity[0])
        self.value: Any = None
        self.set(self.default, row["origin"])

    def get(self) -> Any:
        """The value."""
        return self.value

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

    def __repr__(self) -> str:
        return f"<Setting {self.name} = {self.value!r}>"


class Config:
    """Every setting as an attribute, and the attributes derived from them."""

    settings: dict[str, Setting]

    def __init__(self, usage: str | None = None, prog: str | None = None) -> None:
        self.usage = usage
        self.prog = prog or "oxicorn"
        self.env_orig = os.environ.copy()
        self.settings = {row["name"]: Setting(row) for row in _oxicorn.settings()}

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
        return callables.logger_class(self.settings["logger_class"].value)

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
        return assignments("raw_paste_global_conf", self.raw_paste_global_conf) or None

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


def networks(items: list[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Addresses and networks, parsed."""
    return [ipaddress.ip_network(item) for item in items if item != "*"]
