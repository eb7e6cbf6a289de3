"""The common smoke-test application, in Falcon."""

import hashlib
import os

import falcon

FILE = os.path.join(os.path.dirname(__file__), "static.txt")


class Index:
    def on_get(self, request, response):
        response.text = "hello"


class Item:
    def on_get(self, request, response, number):
        response.media = {"number": number, "q": request.get_param("q")}


class Back:
    """Form and JSON: the media of the request."""

    def on_post(self, request, response):
        response.media = request.get_media()


class Upload:
    def on_post(self, request, response):
        for part in request.get_media():
            if part.name == "file":
                response.media = {
                    "name": part.filename,
                    "sha256": hashlib.sha256(part.stream.read()).hexdigest(),
                }
            else:
                note = part.text
        response.media = {**response.media, "note": note}


class Stream:
    def on_get(self, request, response):
        response.content_type = "text/plain"
        response.stream = (f"line {number}\n".encode() for number in range(50))


class Cookies:
    def on_get(self, request, response):
        response.set_cookie("one", "1", secure=False)
        response.set_cookie("two", "2", secure=False, http_only=True)
        response.media = request.cookies


class File:
    def on_get(self, request, response):
        response.content_type = "text/plain"
        response.set_stream(open(FILE, "rb"), os.path.getsize(FILE))


class Redirect:
    def on_get(self, request, response):
        raise falcon.HTTPFound("/items/1")


class Error:
    def on_get(self, request, response):
        raise ValueError("raised by a view")


class Scheme:
    def on_get(self, request, response):
        response.text = request.scheme


app = falcon.App()
app.add_route("/", Index())
app.add_route("/items/{number:int}", Item())
app.add_route("/form", Back())
app.add_route("/json", Back())
app.add_route("/upload", Upload())
app.add_route("/stream", Stream())
app.add_route("/cookies", Cookies())
app.add_route("/file", File())
app.add_route("/redirect", Redirect())
app.add_route("/error", Error())
app.add_route("/scheme", Scheme())
