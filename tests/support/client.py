"""A client that sends exactly the bytes it is given and takes answers apart without mercy."""

import socket
from dataclasses import dataclass, field

TIMEOUT = 20.0


@dataclass
class Response:
    """One answer, as it came over the wire."""

    version: str
    status: int
    reason: str
    headers: list
    body: bytes = b""
    chunks: list = field(default_factory=list)
    complete: bool = True

    def header(self, name, default=None):
        """The value of the only field of this name."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else default

    def all(self, name):
        """The values of every field of this name, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def text(self):
        """The body as UTF-8."""
        return self.body.decode()

    @property
    def pid(self):
        """The worker that answered, where the application says so."""
        return int(self.header("X-Pid"))


class Connection:
    """One connection. ``address`` is (host, port), or the path of a unix socket."""

    def __init__(self, address, timeout=TIMEOUT, receive_buffer=None):
        family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(address)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Close at once."""
        self.socket.close()

    def half_close(self):
        """Say that nothing more will be sent."""
        self.socket.shutdown(socket.SHUT_WR)

    def send(self, data):
        """Send these bytes, and give up quietly when the server has closed."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def send_bytewise(self, data):
        """Send each byte on its own."""
        for byte in data:
            self.send(bytes([byte]))

    def request(self, method, target, headers=(), body=None):
        """Send a request with a Host field (and a Content-Length if there is a body); answer it."""
        self.send(message(method, target, headers, body))
        return self.receive(head=method == "HEAD")

    def get(self, target, headers=()):
        """Send a GET request and return the answer."""
        return self.request("GET", target, headers)

    def post(self, target, body, headers=()):
        """Send a POST request and return the answer."""
        return self.request("POST", target, headers, body)

    def receive(self, head=False, interim=False):
        """Read one answer; 1xx answers are skipped unless they are asked for."""
        response = self.receive_head()
        while 100 <= response.status < 200 and not interim:
            response = self.receive_head()
        if head or response.status < 200 or response.status in (204, 304):
            return response
        if "chunked" in response.header("Transfer-Encoding", ""):
            while chunk := self.receive_chunk():
                response.chunks.append(chunk)
            response.complete = chunk is not None
            response.body = b"".join(response.chunks)
        elif (length := response.header("Content-Length")) is not None:
            response.body = self._take(int(length))
            response.complete = len(response.body) == int(length)
        else:
            response.body = self.receive_all()
        return response

    def receive_head(self):
        """Read a status line and its fields."""
        head = self._until(b"\r\n\r\n")
        assert head is not None, f"no answer, only {self.buffer!r}"
        start, *lines = head[:-4].decode("latin-1").split("\r\n")
        version, status, reason = [*start.split(" ", 2), ""][:3]
        assert version.startswith("HTTP/1."), start
        headers = []
        for line in lines:
            name, separator, value = line.partition(": ")
            assert separator, f"not a field line: {line!r}"
            headers.append((name, value))
        return Response(version, int(status), reason, headers)

    def receive_chunk(self):
        """Read a chunk: b"" for the last one, None if the connection ended before it was whole."""
        size = self._until(b"\r\n")
        if size is None:
            return None
        data = self._take(int(size, 16) + 2)
        if not data.endswith(b"\r\n"):
            return None
        return data[:-2]

    def receive_all(self):
        """Read until the server closes."""
        while self._more():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def is_closed(self):
        """Wait for the server to close; False if it sends something instead."""
        return not self.buffer and not self._more()

    def _until(self, mark):
        while mark not in self.buffer:
            if not self._more():
                return None
        data, _, self.buffer = self.buffer.partition(mark)
        return data + mark

    def _take(self, length):
        parts, have = [self.buffer], len(self.buffer)
        self.buffer = b""
        while have < length and self._more():
            parts.append(self.buffer)
            have += len(self.buffer)
            self.buffer = b""
        data = b"".join(parts)
        self.buffer = data[length:] + self.buffer
        return data[:length]

    def _more(self):
        if self.ended:
            return False
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        self.ended = not data
        self.buffer += data
        return bool(data)


def message(method, target, headers=(), body=None):
    """The bytes of a request."""
    fields = [("Host", "test.example"), *headers]
    if body is not None:
        fields.append(("Content-Length", str(len(body))))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def chunked(*parts):
    """A body in chunked coding."""
    return b"".join(b"%X\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
