"""Debian's HAProxy as the peer of the gate: servers found in DNS, checked, and retried.

The settings are those its manual recommends for servers that come and go: ``server-template``
with ``resolvers``, a health check each second, redispatch, and repeated requests except ``POST``.
"""

from __future__ import annotations

import csv
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.debian import HAPROXY, require
from tests.support.ports import free_port
from tests.support.processes import ServerProcess

START_SECONDS = 20.0
# What it keeps of DNS is as fresh as what the gate keeps; the times for responses that fail are
# those of the manual's example.
_CONFIGURATION = """
global
  stats socket {folder}/haproxy.socket level admin
defaults
  mode http
  option http-no-delay
  timeout connect 1s
  timeout client 75s
  timeout server 3600s
  timeout http-keep-alive 75s
resolvers dns
  nameserver resolver {resolver}
  accepted_payload_size 4096
  resolve_retries 3
  timeout resolve 1s
  timeout retry 1s
  hold valid 1s
  hold nx 30s
  hold refused 30s
  hold timeout 30s
  hold other 30s
frontend clients
  bind 127.0.0.1:{port}
  default_backend mlflow
backend mlflow
  balance leastconn
  option httpchk GET /health
  option redispatch 1
  retries 3
  retry-on all-retryable-errors
  http-request disable-l7-retry if METH_POST
  default-server check inter 1s fall 2 rise 1 observe layer4 error-limit 3 on-error mark-down
  server-template mlflow 16 {name}:{target} resolvers dns resolve-prefer ipv4 init-addr none
"""


# The same for one server at an address that does not change: an operator's maintenance page apart,
# this is what stands in front of an MLflow that is stopped, migrated and started again.
_ONE_SERVER = """
global
  stats socket {folder}/haproxy.socket level admin
defaults
  mode http
  option http-no-delay
  timeout connect 1s
  timeout queue 100s
  timeout client 75s
  timeout server 3600s
  timeout http-keep-alive 75s
frontend clients
  bind 127.0.0.1:{port}
  default_backend mlflow
backend mlflow
  option httpchk GET /health
  option redispatch 1
  retries 3
  retry-on all-retryable-errors
  http-request disable-l7-retry if METH_POST
  default-server check inter 1s fall 2 rise 1 observe layer4 error-limit 3 on-error mark-down
  server mlflow 127.0.0.1:{target}
"""

# Connections are passed on as they are, as a load balancer of the fourth layer does.
_TCP = """
global
  stats socket {folder}/haproxy.socket level admin
defaults
  mode tcp
  timeout connect 1s
  timeout client 150s
  timeout server 150s
frontend clients
  bind 127.0.0.1:{port}
  default_backend mlflow
backend mlflow
  balance roundrobin
  option redispatch 1
  retries 3
  default-server check inter 200ms fall 1 rise 1 observe layer4 error-limit 1 on-error mark-down
{servers}
"""


@dataclass(frozen=True)
class HaProxy:
    """A running HAProxy."""

    port: int
    process: ServerProcess
    _socket: Path

    @property
    def url(self) -> str:
        """Where clients reach MLflow."""
        return f"http://127.0.0.1:{self.port}"

    def in_use(self) -> set[str]:
        """The endpoints (``address:port``) that get requests now."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._socket))
            connection.sendall(b"show stat mlflow 4 -1\n")
            with connection.makefile(encoding="ascii") as response:
                rows = list(csv.DictReader(response))
        return {row["addr"] for row in rows if row["status"].startswith("UP")}


@contextmanager
def running_haproxy(folder: Path, name: str, port: int, resolver: str) -> Iterator[HaProxy]:
    """Run HAProxy in front of the servers that DNS names, all at ``port``, until the block ends."""
    own = free_port()
    with _running(
        folder,
        own,
        _CONFIGURATION.format(folder=folder, port=own, resolver=resolver, name=name, target=port),
    ) as haproxy:
        yield haproxy


@contextmanager
def running_haproxy_at(folder: Path, port: int) -> Iterator[HaProxy]:
    """Run HAProxy in front of the one server at ``port`` until the block ends."""
    own = free_port()
    text = _ONE_SERVER.format(folder=folder, port=own, target=port)
    with _running(folder, own, text) as haproxy:
        yield haproxy


@contextmanager
def running_tcp_haproxy(folder: Path, ports: Sequence[int]) -> Iterator[HaProxy]:
    """Run HAProxy that passes connections on to the servers at ``ports`` until the block ends."""
    own = free_port()
    servers = "\n".join(f"  server gate{each} 127.0.0.1:{each}" for each in ports)
    text = _TCP.format(folder=folder, port=own, servers=servers)
    with _running(folder, own, text) as haproxy:
        yield haproxy


@contextmanager
def _running(folder: Path, own: int, configuration: str) -> Iterator[HaProxy]:
    program = require(HAPROXY)
    file = folder / "haproxy.cfg"
    file.write_text(configuration, encoding="utf-8")
    with ServerProcess([str(program), "-db", "-f", str(file)], {}, folder, "haproxy") as process:
        haproxy = HaProxy(own, process, folder / "haproxy.socket")
        process.wait_until(lambda: _accepts(own), "a connection", START_SECONDS)
        yield haproxy


def _accepts(port: int) -> bool | None:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return None
    return True
