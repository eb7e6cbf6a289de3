"""Keeps the sockets of its clients, which some applications do with what is in their environ."""

KEPT = []


def application(environ, start_response):
    client = environ["gunicorn.socket"]
    client.getsockname()  # makes it a socket of Python's
    KEPT.append(client)
    start_response("200 OK", [("Content-Length", "4")])
    return [b"kept"]
