"""The same with Django over ASGI, and Channels for the WebSocket."""

import asyncio

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

settings.configure(
    DEBUG=False, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="for tests", MIDDLEWARE=[]
)
django.setup()
done = []
tasks = set()


async def item(request, id):
    return JsonResponse({"id": id, "q": request.GET.get("q")})


def upload(request):
    # Not async: runs in a thread of asgiref's.
    return HttpResponse(str(len(request.read())))


async def stream(request):
    async def pieces():
        for number in range(5):
            yield f"{number};"

    return StreamingHttpResponse(pieces(), content_type="text/plain")


async def state(request):
    return HttpResponse("hello")


async def background(request):
    async def later():
        await asyncio.sleep(0)
        done.append("done")

    tasks.add(asyncio.ensure_future(later()))
    return HttpResponse("later")


async def told(request):
    return HttpResponse(" ".join(done))


def file(request):
    return FileResponse(open(__file__, "rb"))


async def error(request):
    raise ValueError("on purpose")


urlpatterns = [
    path("items/<int:id>", item),
    path("upload", upload),
    path("stream", stream),
    path("state", state),
    path("background", background),
    path("told", told),
    path("file", file),
    path("error", error),
]


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        if text_data == "bye":
            await self.close(4000)
        else:
            await self.send(text_data)


websockets = URLRouter([path("echo", Echo.as_asgi())])
application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": websockets})
