"""oxicorn: a Python application server with a Rust core."""

from oxicorn._oxicorn import __version__

__all__ = ["__version__"]
