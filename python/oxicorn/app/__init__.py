"""Applications: the configuration of a server together with what it serves."""

from oxicorn import compat

# Whoever gets here runs a server, or is a program that embeds one. Configuration files come next, and
# they import what they know from Gunicorn.
compat.install()

from oxicorn.app.base import BaseApplication  # noqa: E402
from oxicorn.app.wsgiapp import WSGIApplication as Application  # noqa: E402

__all__ = ["Application", "BaseApplication"]
