"""The application that the command line names."""

from __future__ import annotations

from typing import Any

from oxicorn.app.base import Application
from oxicorn.app.loading import load_application
from oxicorn.errors import ConfigError


class WSGIApplication(Application):
    """Serves ``MODULE:NAME`` from the command line, or else the setting ``wsgi_app``."""

    app_uri: str

    def init(self, parser: Any, opts: Any, args: list[str]) -> None:
        """Take the application from the command line; process titles show it."""
        self.app_uri = args[0] if args else ""
        if self.app_uri:
            self.cfg.set("default_proc_name", self.app_uri)

    def load_config(self) -> None:
        """Read every source, and make sure that there is something to serve."""
        super().load_config()
        self.app_uri = self.app_uri or self.cfg.wsgi_app
        if not self.app_uri:
            raise ConfigError("No application module specified.")

    def load(self) -> Any:
        """Import the application."""
        return load_application(self.app_uri)
