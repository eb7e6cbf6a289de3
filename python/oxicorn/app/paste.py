"""Paste: applications described by an ini file, and servers named in one."""

from __future__ import annotations

import configparser
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from oxicorn.app.base import Application
from oxicorn.errors import ConfigError


@dataclass(frozen=True)
class File:
    """A Paste file and the section that is meant."""

    path: str
    section: str | None

    @property
    def uri(self) -> str:
        """As PasteDeploy names it."""
        return f"config:{self.path}" + (f"#{self.section}" if self.section else "")

    def configures_logging(self) -> bool:
        """Tell whether logging is configured there as well."""
        # Without interpolation: what it refers to is defined when PasteDeploy reads the file.
        parser = configparser.RawConfigParser(strict=False)
        parser.read(self.path)
        return parser.has_section("loggers")


def locate(location: str) -> File:
    """Find ``PATH`` or ``PATH#SECTION``."""
    path, _, section = location.partition("#")
    path = os.path.abspath(path)
    if not os.path.exists(path):
        raise ConfigError(f"{path!r} not found")
    return File(path, section or None)


def get_wsgi_app(
    config_uri: str, name: str | None = None, defaults: dict[str, str] | None = None
) -> Any:
    """Load the application that a file describes; ``defaults`` are its global values."""
    file = locate(config_uri)
    directory = os.path.dirname(file.path)
    return loader()(file.uri, name=name, relative_to=directory, global_conf=defaults)


def loader() -> Callable[..., Any]:
    """Return PasteDeploy's function, or raise ConfigError if it is not installed."""
    try:
        from paste.deploy import loadapp
    except ImportError:
        message = "paste needs the package PasteDeploy: pip install PasteDeploy"
        raise ConfigError(message) from None
    return loadapp


def has_logging_config(config_file: str) -> bool:
    """Tell whether a Paste file configures logging."""
    return locate(config_file).configures_logging()


class PasteServer(Application):
    """A server named by ``use = egg:oxicorn#main`` in a Paste file; the command line is not ours."""

    def __init__(self, app: Any, file: str | None, values: dict[str, Any]) -> None:
        self.app = app
        self.file = file
        self.values = values
        super().__init__(arguments=[])

    def load_config(self) -> None:
        """Apply the values of the section over those of the file that it names."""
        if self.file is not None:
            self.cfg.set("default_proc_name", self.file)
        values = dict(self.values)
        bind = addresses(values.pop("host", None), values.pop("port", None))
        config = values.pop("config", None)
        if self.file is not None and has_logging_config(self.file):
            self.cfg.set("logconfig", self.file)
        if config is not None:
            self.load_config_from_file(config)
        if bind:
            self.cfg.set("bind", bind, "server section")
        self.apply(values, "server section")
        self.chdir()

    def load(self) -> Any:
        """Serve what Paste has loaded."""
        return self.app


def addresses(host: str | None, port: str | None) -> list[str]:
    """What ``host`` and ``port`` of the section mean."""
    if host and port:
        return [f"{host}:{port}"]
    return [item.strip() for item in (host or "").split(",") if item.strip()]


def serve(app: Any, global_conf: dict[str, Any], **local_conf: Any) -> None:
    """Run the server that a Paste file asks for: the entry point ``paste.server_runner``."""
    PasteServer(app, global_conf.get("__file__"), local_conf).run()
