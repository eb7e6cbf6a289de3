"""The package ``gunicorn``, as far as it has content of its own."""

from oxicorn._oxicorn import SERVER_SOFTWARE

#: The version whose behaviour oxicorn follows: those who ask want to know what they can rely on.
version_info = (27, 0, 1)
__version__ = ".".join(map(str, version_info))

#: Who answers; this is about the server that runs.
SERVER = "oxicorn"

__all__ = ["SERVER", "SERVER_SOFTWARE", "__version__", "version_info"]
