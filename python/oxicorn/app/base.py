"""The configuration of a server, read from all its sources, and the application it serves."""

from __future__ import annotations

import os
import shlex
import sys
from types import SimpleNamespace
from typing import Any

from oxicorn import _oxicorn
from oxicorn.app import config_file, own_flags
from oxicorn.config import Config
from oxicorn.errors import ConfigError


class BaseApplication:
    """A server embedded in a program.

    A subclass changes ``self.cfg`` in ``load_config`` and returns the application in ``load``.
    """

    def __init__(self, usage: str | None = None, prog: str | None = None) -> None:
        self.usage = usage
        self.prog = prog
        self.cfg: Config
        self.callable: Any = None
        self.logger: Any = None
        # Relative names mean this directory, also when they are read again after a chdir.
        self.start_directory = os.getcwd()
        try:
            self.do_load_config()
        except ConfigError as error:
            print(f"Error: {error}", file=sys.stderr, flush=True)
            sys.exit(1)

    def do_load_config(self) -> None:
        """Read the configuration from nothing."""
        self.load_default_config()
        self.load_config()

    def load_default_config(self) -> None:
        """Begin with the defaults."""
        self.cfg = Config(self.usage, prog=self.prog)

    def load_config(self) -> None:
        """Change the defaults. For subclasses."""
        raise NotImplementedError

    def load(self) -> Any:
        """Return the application. For subclasses."""
        raise NotImplementedError

    def init(self, parser: Any, opts: Any, args: list[str]) -> dict[str, Any] | None:
        """Return settings that the configuration file may override. For subclasses.

        ``parser`` is None: the command line was read already, and ``opts`` is what it said.
        """

    def wsgi(self) -> Any:
        """The application, loaded the first time it is asked for."""
        if self.callable is None:
            self.callable = self.load()
        return self.callable

    def reload(self) -> None:
        """Read the configuration again; if it is wrong, raise ConfigError and keep the old one."""
        cfg, directory = self.cfg, os.getcwd()
        try:
            os.chdir(self.start_directory)
            self.do_load_config()
        except Exception as error:
            self.cfg = cfg
            os.chdir(directory)
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(str(error)) from error

    def chdir(self) -> None:
        """Go to the configured directory and make its modules importable."""
        os.chdir(self.cfg.chdir)
        if self.cfg.chdir not in sys.path:
            sys.path.insert(0, self.cfg.chdir)

    def run(self) -> None:
        """Serve, and exit with the server's status."""
        sys.exit(_oxicorn.run(self))


class Application(BaseApplication):
    """A server configured by a file, the environment and the command line."""

    def __init__(
        self, usage: str | None = None, prog: str | None = None, arguments: list[str] | None = None
    ) -> None:
        self.arguments = sys.argv[1:] if arguments is None else arguments
        super().__init__(usage, prog)

    def load_config(self) -> None:
        """Apply the sources, each over the former.

        These are init(), the configuration file, the environment and the command line.
        """
        own_options, words = own_flags.split(self.arguments)
        options, arguments = _oxicorn.parse_args(words)
        options.update(own_options)
        self.apply(self.init(None, SimpleNamespace(**options), arguments) or {}, "application")
        self.chdir()

        variable, text = _oxicorn.environment_arguments()
        more_own_options, words = own_flags.split(shlex.split(text))
        more_options, _ = _oxicorn.parse_args(words)
        more_options.update(more_own_options)
        file = options.get("config") or more_options.get("config") or config_file.default()
        if file is not None:
            self.load_config_from_file(file)
        self.apply(more_options, variable)
        self.apply(options, "command line")
        self.chdir()

    def apply(self, values: dict[str, Any], origin: str) -> None:
        """Set these settings; names that are no settings do not matter."""
        for name, value in values.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value, origin)

    def load_config_from_file(self, location: str) -> None:
        """Apply the globals of a configuration file that have the name of a setting."""
        for name, value in config_file.execute(location).items():
            try:
                self.apply({name: value}, location)
            except Exception:
                print(f"Invalid value for {name}: {value}\n", file=sys.stderr)
                raise
