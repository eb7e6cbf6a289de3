"""What of the ASGI worker is Python: the event loop and the life of the application."""
