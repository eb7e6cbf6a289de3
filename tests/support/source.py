"""Applications that a test writes into a folder of its own, for the class that it runs over."""

import textwrap

from .server import WORKER

WSGI = """
def app(environ, start_response):
    path = environ["PATH_INFO"]
{code}
    body = text.encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
ASGI = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    path = scope["path"]
{code}
    body = text.encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": body}})
"""


def application(code, before=""):
    """The text of a module with ``app``: the code has ``path`` and says in ``text`` what to answer.

    ``before`` is what the module does when it is imported.
    """
    template = ASGI if WORKER == "asgi" else WSGI
    return before + template.format(code=textwrap.indent(textwrap.dedent(code).strip(), "    "))
