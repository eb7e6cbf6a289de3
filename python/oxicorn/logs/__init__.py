"""What the server's logger is made of; the logger itself is in ``oxicorn.glogging``."""
