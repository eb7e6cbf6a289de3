"""Applications: the configuration of a server together with what it serves."""

from oxicorn.app.base import BaseApplication
from oxicorn.app.wsgiapp import WSGIApplication as Application

__all__ = ["Application", "BaseApplication"]
