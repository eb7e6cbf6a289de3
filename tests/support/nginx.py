"""nginx in front of a server: over TCP and over a unix socket, with upstream keep-alive."""

import os
import shutil
import signal
import subprocess

from .client import Connection
from .wait import until

PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

CONFIGURATION = """
daemon off;
master_process off;
worker_processes 1;
error_log stderr warn;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_max_body_size 64m;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream tcp {{ server 127.0.0.1:{port}; keepalive 8; }}
    upstream unix {{ server unix:{path}; keepalive 8; }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto https;
    server {{ listen unix:{folder}/tcp.socket; location / {{ proxy_pass http://tcp; }} }}
    server {{
        listen unix:{folder}/unix.socket;
        location / {{ proxy_pass http://unix; }}
        location /unbuffered/ {{
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_pass http://unix/;
        }}
        # As people write it who know nothing of keep-alive: HTTP/1.0 and Connection: close.
        location /old/ {{
            proxy_http_version 1.0;
            proxy_set_header Connection close;
            proxy_pass http://unix/;
        }}
    }}
}}
"""


class Nginx:
    """A running nginx; ``upstream`` is "tcp" or "unix"."""

    def __init__(self, folder, server):
        self.folder = folder
        configuration = folder / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(folder=folder, port=server.address[1], path=server.unix_path)
        )
        self.log_file = folder / "nginx.log"
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "-p", str(folder), "-c", str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until(self._is_up, "a listening nginx")

    def _is_up(self):
        assert self.process.poll() is None, self.log_file.read_text()
        try:
            self.connect("unix").close()
        except OSError:
            return False
        return True

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)

    def connect(self, upstream, **options):
        """A connection to nginx that it passes on over this upstream."""
        return Connection(str(self.folder / f"{upstream}.socket"), **options)
