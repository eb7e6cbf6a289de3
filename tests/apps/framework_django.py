"""The common smoke-test application, in Django, all in one file."""

import hashlib
import json
import os

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="not secret",
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DEFAULT_CHARSET="utf-8",
    USE_TZ=True,
    LOGGING_CONFIG=None,
)
django.setup()
FILE = os.path.join(os.path.dirname(__file__), "static.txt")


def index(request):
    return HttpResponse("hello")


def item(request, number):
    return JsonResponse({"number": number, "q": request.GET.get("q")})


def form(request):
    return JsonResponse(request.POST.dict())


def json_back(request):
    return JsonResponse(json.loads(request.body))


def upload(request):
    file = request.FILES["file"]
    digest = hashlib.sha256(file.read()).hexdigest()
    return JsonResponse({"name": file.name, "sha256": digest, "note": request.POST["note"]})


def stream(request):
    lines = (f"line {number}\n" for number in range(50))
    return StreamingHttpResponse(lines, content_type="text/plain")


def cookies(request):
    response = JsonResponse(request.COOKIES)
    response.set_cookie("one", "1")
    response.set_cookie("two", "2", httponly=True)
    return response


def file(request):
    return FileResponse(open(FILE, "rb"))


def away(request):
    return redirect("/items/1")


def error(request):
    raise ValueError("raised by a view")


def scheme(request):
    return HttpResponse(request.META["wsgi.url_scheme"])


urlpatterns = [
    path("", index),
    path("items/<int:number>", item),
    path("form", form),
    path("json", json_back),
    path("upload", upload),
    path("stream", stream),
    path("cookies", cookies),
    path("file", file),
    path("redirect", away),
    path("error", error),
    path("scheme", scheme),
]
app = get_wsgi_application()
