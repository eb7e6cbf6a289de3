"""oxicorn --chdir examples/django app:application

A whole Django site in one file. In a project of its own the application is
``mysite.wsgi:application``, as Django's ``startproject`` writes it.
"""

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="for this example only")
django.setup()


def index(request):
    """Greet."""
    return HttpResponse("Hello from Django!\n")


def square(request, number):
    """Compute."""
    return JsonResponse({"number": number, "square": number * number})


urlpatterns = [path("", index), path("square/<int:number>", square)]
application = get_wsgi_application()
