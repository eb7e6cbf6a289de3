"""Hello from FastAPI."""

from __future__ import annotations

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def hello() -> dict[str, str]:
    """Answer with JSON, as FastAPI's own example does."""
    return {"hello": "world"}
