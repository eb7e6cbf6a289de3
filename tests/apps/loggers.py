"""Logger classes as people write them."""

import json

from oxicorn.glogging import Logger


class WithAtoms(Logger):
    """Adds an atom of its own."""

    def atoms(self, resp, req, environ, request_time):
        """The usual atoms and one more."""
        atoms = super().atoms(resp, req, environ, request_time)
        return atoms | {"shout": req.path.upper()}


class Own(Logger):
    """Writes lines of its own."""

    def access(self, resp, req, environ, request_time):
        """One JSON object a request."""
        entry = {
            "status": resp.status,
            "sent": resp.sent,
            "headers": dict(resp.headers),
            "method": req.method,
            "uri": req.uri,
            "agent": dict(req.headers).get("USER-AGENT"),
            "word": environ.get("app.word"),
            "is_time": request_time.total_seconds() >= 0,
        }
        self.access_log.info("%s", json.dumps(entry))
