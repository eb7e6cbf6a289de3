"""Logging configurations of Python's own kind: a dictionary, a JSON or an INI file."""

from __future__ import annotations

import json
import logging
import os
from logging import config as logging_config
from typing import Any

#: What a dictionary or JSON file replaces parts of, each whole top-level keys.
CONFIG_DEFAULTS: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "INFO", "handlers": ["console"]},
    "loggers": {
        "gunicorn.error": {
            "level": "INFO",
            "handlers": ["error_console"],
            "propagate": True,
            "qualname": "gunicorn.error",
        },
        "gunicorn.access": {
            "level": "INFO",
            "handlers": ["console"],
            "propagate": True,
            "qualname": "gunicorn.access",
        },
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "generic",
            "stream": "ext://sys.stdout",
        },
        "error_console": {
            "class": "logging.StreamHandler",
            "formatter": "generic",
            "stream": "ext://sys.stderr",
        },
    },
    "formatters": {
        "generic": {
            "format": "%(asctime)s [%(process)d] [%(levelname)s] %(message)s",
            "datefmt": "[%Y-%m-%d %H:%M:%S %z]",
            "class": "logging.Formatter",
        }
    },
}


def is_given(cfg: Any) -> bool:
    """Whether one of the three settings is set."""
    return bool(cfg.logconfig_dict or cfg.logconfig_json or cfg.logconfig)


def apply(cfg: Any) -> None:
    """Configure Python's logging as the first of the three settings that is set says."""
    try:
        if cfg.logconfig_dict:
            logging_config.dictConfig(CONFIG_DEFAULTS | cfg.logconfig_dict)
        elif cfg.logconfig_json:
            if os.path.exists(cfg.logconfig_json):
                with open(cfg.logconfig_json, encoding="utf-8") as file:
                    logging_config.dictConfig(CONFIG_DEFAULTS | json.load(file))
        elif cfg.logconfig:
            _apply_ini(cfg.logconfig)
    except (AttributeError, ImportError, KeyError, OSError, TypeError, ValueError) as error:
        name = next(n for n in ("logconfig_dict", "logconfig_json", "logconfig") if getattr(cfg, n))
        causes = f"{error}" if error.__cause__ is None else f"{error}: {error.__cause__}"
        raise RuntimeError(f"{name} cannot be used: {causes}") from error


def _apply_ini(path: str) -> None:
    if not os.path.exists(path):
        raise RuntimeError(f"Error: log config '{path}' not found")
    defaults = {"__file__": path, "here": os.path.dirname(os.path.abspath(path))}
    logging_config.fileConfig(path, defaults=defaults, disable_existing_loggers=False)


class State:
    """Python's logging as it is, to go back to if something else turns out not to work."""

    def __init__(self) -> None:
        known = logging.Logger.manager.loggerDict.values()
        loggers = [one for one in known if isinstance(one, logging.Logger)]
        self._loggers = [
            (one, list(one.handlers), one.level, one.propagate, one.disabled)
            for one in [logging.getLogger(), *loggers]
        ]

    def handlers(self) -> set[logging.Handler]:
        """Every handler that some logger had."""
        return {handler for _, handlers, *_ in self._loggers for handler in handlers}

    def restore(self) -> None:
        """Make it so again."""
        for logger, handlers, level, propagate, disabled in self._loggers:
            logger.handlers[:] = handlers
            logger.setLevel(level)
            logger.propagate = propagate
            logger.disabled = disabled
