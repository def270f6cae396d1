"""The proxies that are compared: how each is started so that all do the same work.

The work: the key in ``Authorization`` is known (a static map; Headgate has its key store), a
line of JSON in the access log for each request (batched the way each does it), a request id sent
on and shown, ``X-Forwarded-*`` set, ``Authorization`` removed, ``Host`` replaced, connections to
the upstream kept, bodies streamed.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.peers.launch import Running, fill, free_port, launched
from tests.support import debian
from tests.support.debian import DebianPackage
from tests.support.gate import create_key, running_gate
from tools import compiled

HAPROXY_PACKAGE = DebianPackage("haproxy", Path("/usr/sbin/haproxy"), "haproxy in make bench")
CADDY_PACKAGE = DebianPackage("caddy", Path("/usr/bin/caddy"), "caddy in make bench")


@dataclass(frozen=True)
class Order:
    """What a proxy is to do: forward to ``upstream`` (``host:port``), letting ``key`` in.

    ``folder`` is its own.  ``key`` must be known to the store in ``folder/data`` if the proxy is
    the gate.
    """

    folder: Path
    upstream: str
    key: str
    workers: int = 1


Start = Callable[[Order], AbstractContextManager[Running]]


@dataclass(frozen=True)
class Program:
    """One proxy; ``missing`` says why it cannot run here, or nothing.

    ``environment``: variables for its Python, where that has to be made first.
    """

    name: str
    start: Start
    package: DebianPackage | None = None
    module: str | None = None
    environment: Callable[[], Mapping[str, str]] = dict

    @property
    def missing(self) -> str:
        """What must be installed before it can run here."""
        if self.package is not None and not self.package.is_installed:
            return f"needs {self.package.program}: apt-get install {self.package.name}"
        if self.module is not None and importlib.util.find_spec(self.module) is None:
            return f"needs the Python package {self.module}"
        try:
            self.environment()
        except compiled.CannotCompileError as error:
            return str(error)
        return ""


def compiled_path() -> Mapping[str, str]:
    """Let Python find the compiled build of the gate first; it is made if it has to be.

    Raises:
        CannotCompileError: it cannot be made here.
    """
    return {"PYTHONPATH": str(compiled.build())}


@contextmanager
def _headgate_pure(order: Order, **python: str) -> Iterator[Running]:
    environment = {"HEADGATE_LISTEN__WORKERS": str(order.workers), **python}
    with running_gate(order.folder, f"http://{order.upstream}", environment) as gate:
        yield Running(gate.port, gate.process)


def _headgate(order: Order) -> AbstractContextManager[Running]:
    return _headgate_pure(order, **compiled_path())


def _nginx(template: str, **tuning: str) -> Start:
    def start(order: Order) -> AbstractContextManager[Running]:
        port = free_port()
        file = fill(
            template,
            order.folder,
            port=port,
            upstream=order.upstream,
            key=order.key,
            workers=order.workers,
            listen="reuseport" if order.workers > 1 else "",
            **tuning,
        )
        command = [str(debian.NGINX.program), "-e", f"{order.folder}/error.log", "-c", str(file)]
        return launched(command, order.folder, "nginx", port)

    return start


def _haproxy(order: Order) -> AbstractContextManager[Running]:
    port = free_port()
    (order.folder / "keys.map").write_text(f"{order.key} bench\n", encoding="ascii")
    file = fill(
        "haproxy.cfg", order.folder, port=port, upstream=order.upstream, workers=order.workers
    )
    command = [str(HAPROXY_PACKAGE.program), "-db", "-f", str(file)]
    return launched(command, order.folder, "haproxy", port)


def _caddy(order: Order) -> AbstractContextManager[Running]:
    port = free_port()
    file = fill("Caddyfile", order.folder, port=port, upstream=order.upstream, key=order.key)
    command = [str(CADDY_PACKAGE.program), "run", "--adapter", "caddyfile", "--config", str(file)]
    environment = {"GOMAXPROCS": str(order.workers), "HOME": str(order.folder)}
    return launched(command, order.folder, "caddy", port, environment)


def _starlette(order: Order) -> AbstractContextManager[Running]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "bench.peers.starlette_proxy:create"]
    command += ["--port", str(port), "--no-access-log", "--log-level", "warning"]
    command += ["--loop", "uvloop", "--http", "httptools", "--timeout-keep-alive", "75"]
    environment = {
        "PROXY_UPSTREAM": order.upstream,
        "PROXY_KEY": order.key,
        "PROXY_LOG": str(order.folder / "access.log"),
    }
    return launched(command, order.folder, "starlette", port, environment)


HEADGATE = Program("headgate", _headgate, environment=compiled_path)
HEADGATE_PURE = Program("headgate-pure", _headgate_pure)
# The fastest for large bodies among the settings tried that keep to 512 KiB for each of them, as
# the gate does.
NGINX = Program(
    "nginx", _nginx("nginx.conf", block="256k", buffering="on", buffer="64k"), debian.NGINX
)
# The fastest of all that were tried; it holds 1 MiB and more for each body.
NGINX_LARGE = Program(
    "nginx-1m", _nginx("nginx.conf", block="2m", buffering="off", buffer="1m"), debian.NGINX
)
NGINX_AUTH_REQUEST = Program("nginx+auth_request", _nginx("nginx-auth-request.conf"), debian.NGINX)
HAPROXY = Program("haproxy", _haproxy, HAPROXY_PACKAGE)
CADDY = Program("caddy", _caddy, CADDY_PACKAGE)
STARLETTE = Program("starlette+httpx", _starlette, module="httpx")


def new_key(folder: Path) -> str:
    """Make a key that the store in ``folder/data`` knows, as ``headgate keys create`` does."""
    return create_key(folder / "data", "bench")
