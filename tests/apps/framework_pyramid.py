"""The common smoke-test application, in Pyramid."""

import hashlib
import os

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPFound
from pyramid.response import FileResponse, Response

FILE = os.path.join(os.path.dirname(__file__), "static.txt")


def index(request):
    return Response("hello")


def item(request):
    return {"number": int(request.matchdict["number"]), "q": request.GET.get("q")}


def form(request):
    return dict(request.POST)


def json_back(request):
    return request.json_body


def upload(request):
    file = request.POST["file"]
    digest = hashlib.sha256(file.file.read()).hexdigest()
    return {"name": file.filename, "sha256": digest, "note": request.POST["note"]}


def stream(request):
    lines = (f"line {number}\n".encode() for number in range(50))
    return Response(app_iter=lines, content_type="text/plain")


def cookies(request):
    request.response.set_cookie("one", "1")
    request.response.set_cookie("two", "2", httponly=True)
    return dict(request.cookies)


def file(request):
    return FileResponse(FILE, request=request)


def away(request):
    return HTTPFound("/items/1")


def error(request):
    raise ValueError("raised by a view")


def scheme(request):
    return Response(request.scheme)


def make_app():
    """Register each view under the path of its name."""
    with Configurator() as config:
        plain = {"index": index, "stream": stream, "file": file, "redirect": away}
        plain |= {"error": error, "scheme": scheme}
        as_json = {"form": form, "json": json_back, "upload": upload, "cookies": cookies}
        for name, view in (plain | as_json).items():
            config.add_route(name, "/" if name == "index" else f"/{name}")
            config.add_view(view, route_name=name, renderer="json" if name in as_json else None)
        config.add_route("item", r"/items/{number:\d+}")
        config.add_view(item, route_name="item", renderer="json")
        return config.make_wsgi_app()


app = make_app()
