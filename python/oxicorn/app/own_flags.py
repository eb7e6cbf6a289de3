"""Flags of settings that the program itself has added (``oxicorn.config.Setting``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oxicorn import config


def split(words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Take these flags out of a command line: their settings, and the words that are left."""
    own = [known for known in config.KNOWN_SETTINGS if not issubclass(known, config.TableSetting)]
    if not any(known.cli for known in own):
        return {}, list(words)
    import argparse

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for known in own:
        known().add_option(parser)
    found, rest = parser.parse_known_args(words)
    return {name: value for name, value in vars(found).items() if value is not None}, rest
