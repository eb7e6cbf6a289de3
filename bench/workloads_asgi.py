"""What is asked of every server of ASGI applications."""

from __future__ import annotations

from apps.app import HELLO, LARGE
from workloads import BROWSER_HEADERS, PROFILE, UPLOAD_LENGTH, Workload

WORKLOADS = (
    Workload("hello", "Hello, keep-alive", "asgi_app:hello", HELLO),
    Workload("varied", "Hello, no two requests alike", "asgi_app:hello", HELLO, varied=True),
    Workload(
        "browser",
        "A browser's 15 fields, JSON answer",
        "asgi_app:profile",
        PROFILE,
        content_type="application/json",
        target="/api/profile?fields=name%2Citems&v=2",
        headers=BROWSER_HEADERS,
    ),
    Workload(
        "upload",
        "POST of 16 KiB",
        "asgi_app:upload",
        str(UPLOAD_LENGTH).encode(),
        method="POST",
        target="/upload",
        headers=(("Content-Type", "application/octet-stream"),),
        upload=b"x" * UPLOAD_LENGTH,
    ),
    Workload(
        "streamed",
        "Answer of 1 MiB in 16 pieces",
        "asgi_app:streamed",
        LARGE,
        content_type="application/octet-stream",
    ),
    Workload("starlette", "Starlette hello", "starlette_app:app", HELLO, framework="fastapi"),
    Workload(
        "fastapi",
        "FastAPI hello",
        "fastapi_app:app",
        b'{"hello":"world"}',
        content_type="application/json",
        framework="fastapi",
    ),
)
