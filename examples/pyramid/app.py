"""oxicorn --chdir examples/pyramid 'app:main()'"""

from pyramid.config import Configurator
from pyramid.response import Response


def index(request):
    """Greet."""
    return Response("Hello from Pyramid!\n")


def square(request):
    """Compute."""
    number = int(request.matchdict["number"])
    return {"number": number, "square": number * number}


def main():
    """Make the application: a factory, called once in each worker."""
    with Configurator() as config:
        config.add_route("index", "/")
        config.add_view(index, route_name="index")
        config.add_route("square", r"/square/{number:\d+}")
        config.add_view(square, route_name="square", renderer="json")
        return config.make_wsgi_app()
