"""Hello from Flask: what of a server's advantage is left below a framework."""

from __future__ import annotations

from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello() -> str:
    """Answer with the same body as the plain application."""
    return "Hello, World!"
