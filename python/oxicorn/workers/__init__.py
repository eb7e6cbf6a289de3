"""The worker classes."""

from oxicorn.callables import WORKER_CLASSES as SUPPORTED_WORKERS

__all__ = ["SUPPORTED_WORKERS"]
