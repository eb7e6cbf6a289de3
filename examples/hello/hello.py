"""The smallest WSGI application: what ``make run`` serves."""


def app(environ, start_response):
    """Answer every request with a greeting."""
    body = b"Hello from oxicorn!\n"
    start_response(
        "200 OK",
        [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))],
    )
    return [body]
