"""Real proxies that speak PROXY protocol: HAProxy and nginx before a gate, HAProxy as a reader.

Their configuration is that of the page on load balancers.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.debian import HAPROXY, require
from tests.support.nginx import nginx_program
from tests.support.ports import free_port
from tests.support.processes import ServerProcess
from tests.support.recipes import blocks

START_SECONDS = 20.0
PAGE = "set-up-behind-a-load-balancer"
_SHOWN_GATE = "10.0.3.7:8080"
_SHOWN_OPTIONS = "send-proxy-v2 proxy-v2-options crc32c check check-send-proxy"
_GLOBAL = """
global
  stats socket {folder}/haproxy.socket level admin
"""
_READER = """
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
frontend reader
  bind 127.0.0.1:{port} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src]"
"""
_NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 256; }}
"""


@contextmanager
def haproxy_before(
    gate: int, folder: Path, options: str, *, certificate: Path | None = None, tls: bool = False
) -> Iterator[int]:
    """HAProxy before the gate at a port; yields the port where it listens, once the gate is up.

    Args:
        gate: the gate's port on this machine.
        folder: for its files.
        options: of its ``server`` line, in place of those that the page shows.
        certificate: it ends the TLS of clients with this file, which has the key, too.
        tls: the gate serves HTTPS, so that its health check uses TLS.
    """
    bind = f" ssl crt {certificate}" if certificate is not None else ""
    checked = " check-ssl verify none" if tls else ""
    port = free_port()
    (shown,) = blocks(PAGE, "haproxy")
    text = _GLOBAL.format(folder=folder) + _replaced(
        shown,
        {
            "bind :443": f"bind 127.0.0.1:{port}{bind}",
            _SHOWN_GATE: f"127.0.0.1:{gate}",
            _SHOWN_OPTIONS: f"{options} check check-send-proxy inter 200ms{checked}",
        },
    )
    with _haproxy(folder, text) as process:
        process.wait_until(lambda: _is_up(folder / "haproxy.socket"), "the gate up", START_SECONDS)
        yield port


@contextmanager
def header_reader(folder: Path) -> Iterator[int]:
    """HAProxy that responds with the client's address as the header names it; yields its port."""
    port = free_port()
    with _haproxy(folder, _READER.format(port=port)) as process:
        process.wait_until(lambda: _accepts(port), "a connection", START_SECONDS)
        yield port


@contextmanager
def nginx_before(gate: int, folder: Path) -> Iterator[int]:
    """Nginx, which sends version 1, before the gate at a port; yields the port of nginx."""
    port = free_port()
    file = folder / "nginx.conf"
    (shown,) = blocks(PAGE, "nginx")
    here = {"listen 443": f"listen 127.0.0.1:{port}", _SHOWN_GATE: f"127.0.0.1:{gate}"}
    file.write_text(_NGINX.format(folder=folder) + _replaced(shown, here))
    command = [str(nginx_program()), "-p", str(folder), "-c", str(file)]
    with ServerProcess(command, {}, folder, "nginx") as process:
        process.wait_until(lambda: _accepts(port), "a connection", START_SECONDS)
        yield port


def _replaced(shown: str, here: Mapping[str, str]) -> str:
    """What the page shows, with the addresses of this machine."""
    for before, after in here.items():
        assert before in shown
        shown = shown.replace(before, after)
    return shown


@contextmanager
def _haproxy(folder: Path, configuration: str) -> Iterator[ServerProcess]:
    program = require(HAPROXY)
    file = folder / "haproxy.cfg"
    file.write_text(configuration)
    with ServerProcess([str(program), "-db", "-f", str(file)], {}, folder, "haproxy") as process:
        yield process


def _is_up(path: Path) -> bool | None:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(b"show stat gate 4 -1\n")
            with connection.makefile(encoding="ascii") as response:
                return any(",UP," in row and "L7OK" in row for row in response) or None
    except OSError:
        return None


def _accepts(port: int) -> bool | None:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return None
    return True
