"""The right worker class for an application."""

from __future__ import annotations

from typing import Any

from oxicorn.errors import AppImportError
from oxicorn.workers import kinds


def check(worker: Any) -> None:
    """Refuse an application that the worker's class cannot run.

    Where nobody chose the class, an ASGI application makes the worker one that can.
    """
    if worker.INTERFACE == "asgi":
        if kinds.is_wsgi(worker.wsgi):
            raise AppImportError(
                "The application is a WSGI application, which the asgi worker cannot run: "
                "use --worker-class sync or gthread."
            )
        return
    if not kinds.is_asgi(worker.wsgi):
        return
    if is_chosen(worker.cfg):
        raise AppImportError(
            "The application is an ASGI application, which the "
            f"{worker.cfg.worker_class_str} worker cannot run: use --worker-class asgi."
        )
    from oxicorn.workers.gasgi import ASGIWorker

    worker.log.info("The application is an ASGI application: using the asgi worker.")
    worker.__class__ = ASGIWorker


def is_chosen(cfg: Any) -> bool:
    """Tell whether somebody wrote which class to use."""
    return bool(cfg.settings["worker_class"].is_written)
