"""The application that the command line names."""

from __future__ import annotations

from typing import Any

from oxicorn.app import paste
from oxicorn.app.base import Application
from oxicorn.app.loading import load_application
from oxicorn.errors import ConfigError


class WSGIApplication(Application):
    """Serves ``MODULE:NAME`` from the command line, or else the setting ``wsgi_app``.

    With ``paste`` it serves what that file describes.
    """

    app_uri: str

    def init(self, parser: Any, opts: Any, args: list[str]) -> dict[str, Any] | None:
        """Take the application from the command line; process titles show it."""
        self.app_uri = args[0] if args else ""
        if self.app_uri:
            self.cfg.set("default_proc_name", self.app_uri)
        return None

    def load_config(self) -> None:
        """Read every source, and make sure that there is something to serve."""
        super().load_config()
        if self.cfg.paste:
            self.load_paste_config(self.cfg.paste)
            return
        self.app_uri = self.app_uri or self.cfg.wsgi_app
        if not self.app_uri:
            raise ConfigError("No application module specified.")

    def load_paste_config(self, location: str) -> None:
        """Take from a Paste file what is not about the application."""
        paste.loader()
        file = paste.locate(location)
        self.cfg.set("default_proc_name", file.path)
        settings = self.cfg.settings
        logs = (settings["logconfig"], settings["logconfig_dict"], settings["logconfig_json"])
        if file.configures_logging() and not any(setting.value for setting in logs):
            self.cfg.set("logconfig", file.path, file.path)

    def load(self) -> Any:
        """Import the application."""
        if self.cfg.paste:
            return paste.get_wsgi_app(self.cfg.paste, defaults=self.cfg.paste_global_conf)
        return load_application(self.app_uri)


def run(prog: str | None = None) -> None:
    """Run the server with the arguments of the command line, and exit with its status."""
    WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]", prog=prog).run()


if __name__ == "__main__":
    run()
