"""The ``req`` and ``resp`` of ``pre_request`` and ``post_request``.

They are made only where such a hook is configured, from what the engine has parsed; changing them
changes nothing of the request.
"""

from __future__ import annotations

import inspect
from typing import Any


class Request:
    """A request as its head tells it, before an environ exists."""

    def __init__(
        self,
        *,
        cfg: Any,
        method: str,
        uri: str,
        path: str,
        query: str,
        version: tuple[int, int],
        headers: list[tuple[str, str]],
        scheme: str,
        peer_addr: tuple[str, int] | None,
        req_number: int,
        keep_alive: bool,
        proxy_protocol_info: dict[str, str | int] | None = None,
    ) -> None:
        """Keep what the engine parsed."""
        self.cfg = cfg
        self.method = method
        self.uri = uri
        self.path = path
        self.query = query
        self.fragment = uri.partition("#")[2]
        self.version = version
        self.headers = headers
        self.trailers: list[tuple[str, str]] = []
        self.scheme = scheme
        self.peer_addr = peer_addr or ""
        self.remote_addr = self.peer_addr
        self.proxy_protocol_info = proxy_protocol_info
        self.req_number = req_number
        self.must_close = False
        self._keep_alive = keep_alive

    def should_close(self) -> bool:
        """Tell whether the connection ends with this request, as far as its head says."""
        return self.must_close or not self._keep_alive

    def force_close(self) -> None:
        """Note that the connection shall end."""
        self.must_close = True


class Response:
    """A response as it was sent."""

    def __init__(
        self,
        req: Request,
        status: str,
        status_code: int,
        headers: list[tuple[str, str]],
        sent: int,
        headers_sent: bool,
        is_head: bool,
    ) -> None:
        """Keep what the application answered and what became of it."""
        self.req = req
        self.status = status
        self.status_code = status_code
        self.headers = headers
        self.sent = sent
        self.headers_sent = headers_sent
        self.version = "oxicorn"
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        self.response_length = int(lengths[0]) if lengths else None
        self.chunked = not lengths and not is_head and req.version > (1, 0)
        self.upgrade = False
        self.must_close = req.must_close

    def should_close(self) -> bool:
        """Tell whether the connection ended with this response, as far as the request says."""
        return self.must_close or self.req.should_close()

    def force_close(self) -> None:
        """Note that the connection shall end."""
        self.must_close = True


def has_request_hooks(worker: Any) -> bool:
    """Tell whether requests have to be shown to hooks; the default one only logs at debug level."""
    cfg = worker.cfg
    names = ("pre_request", "post_request")
    if any(getattr(cfg, name) is not cfg.settings[name].default for name in names):
        return True
    return (cfg.loglevel or "").lower() == "debug"


def call_post_request(
    hook: Any, worker: Any, req: Request, environ: dict[str, Any], resp: Response | None
) -> None:
    """Call a ``post_request`` hook with as many of its arguments as it takes."""
    parameters = inspect.signature(hook).parameters.values()
    positional = [
        parameter
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    try:
        hook(*(worker, req, environ, resp)[: len(positional)])
    except Exception:
        worker.log.exception("Exception in post_request hook")
