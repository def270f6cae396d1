"""The proxies that are compared: how each is started so that all do the same work.

The work: the key in ``Authorization`` is known (a static map; Headgate has its key store), a
line of JSON in the access log for each request (batched the way each does it), a request id sent
on and shown, ``X-Forwarded-*`` set, ``Authorization`` removed, ``Host`` replaced, connections to
the upstream kept, bodies streamed.
"""

from __future__ import annotations

import importlib.util
import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bench.peers import envoy
from bench.peers.launch import Running, fill, launched
from bench.peers.operations import write_maps
from bench.peers.order import Order, TokenIssuer
from tests.support import debian
from tests.support.debian import DebianPackage
from tests.support.gate import create_key, running_gate
from tests.support.nginx import nginx_program
from tests.support.ports import free_port
from tools import compiled

NGINX_PACKAGE = DebianPackage(
    "nginx", Path("/usr/sbin/nginx"), "an older nginx in make bench", ("nginx",)
)
CADDY_PACKAGE = DebianPackage("caddy", Path("/usr/bin/caddy"), "caddy in make bench")


Start = Callable[[Order], AbstractContextManager[Running]]


@dataclass(frozen=True)
class Program:
    """One proxy; ``missing`` says why it cannot run here, or nothing.

    ``environment``: variables for its Python, where that has to be made first.  ``stop`` is the
    signal that lets all its processes end by themselves.
    """

    name: str
    start: Start
    package: DebianPackage | None = None
    module: str | None = None
    environment: Callable[[], Mapping[str, str]] = dict
    stop: signal.Signals = signal.SIGTERM

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
def _headgate_pure(order: Order, **environment: str) -> Iterator[Running]:
    settings = {"HEADGATE_LISTEN__WORKERS": str(order.workers), **environment}
    if order.certificate is not None:
        settings["HEADGATE_LISTEN__TLS__CERTIFICATE"] = str(order.certificate.certificate)
        settings["HEADGATE_LISTEN__TLS__KEY"] = str(order.certificate.key)
    if order.issuer is not None:
        settings |= _issuer_settings(order.issuer)
    if order.under:
        settings |= {"HEADGATE_LISTEN__WORKER_TIMEOUT": "600", "PYTHONHASHSEED": "0"}
    upstream = f"http://{order.upstream}"
    with running_gate(order.folder, upstream, settings, under=order.under) as gate:
        yield Running(gate.port, gate.process)


def _issuer_settings(issuer: TokenIssuer) -> dict[str, str]:
    prefix = "HEADGATE_AUTH__ISSUERS__BENCH__"
    return {
        f"{prefix}ISSUER": issuer.name,
        f"{prefix}AUDIENCE": issuer.audience,
        f"{prefix}JWKS_FILE": str(issuer.jwks_file),
        f"{prefix}RULES": json.dumps([{"when": {"sub": "bench"}, "roles": ["writer"]}]),
    }


def _headgate(order: Order, **settings: str) -> AbstractContextManager[Running]:
    return _headgate_pure(order, **compiled_path(), **settings)


def headgate_with(name: str, **settings: str) -> Program:
    """The gate under another name, with further variables of its environment."""
    return Program(name, lambda order: _headgate(order, **settings), environment=compiled_path)


def _nginx(
    template: str,
    tuning: Mapping[str, str] = MappingProxyType({}),
    *,
    mapped: str = "principal",
    program: Path | None = None,
) -> Start:
    """Start nginx by ``template``; a map gives the variable ``mapped`` the owner of the key."""

    def start(order: Order) -> AbstractContextManager[Running]:
        port, certificate = free_port(), order.certificate
        write_maps(order.folder, '"{path}" "{value}";')
        fill("nginx-log.conf", order.folder, key=order.key, mapped=mapped)
        file = fill(
            template,
            order.folder,
            port=port,
            upstream=order.upstream,
            workers=order.workers,
            listen="reuseport" * (order.workers > 1) + " ssl" * (certificate is not None),
            tls=""
            if certificate is None
            else f"ssl_certificate {certificate.certificate};"
            f" ssl_certificate_key {certificate.key};",
            **tuning,
        )
        command = [str(program or nginx_program()), "-p", str(order.folder)]
        command += ["-e", f"{order.folder}/error.log", "-c", str(file)]
        return launched(command, order.folder, "nginx", port, under=order.under)

    return start


def _haproxy(order: Order) -> AbstractContextManager[Running]:
    port, certificate = free_port(), order.certificate
    (order.folder / "keys.map").write_text(f"{order.key} bench\n", encoding="ascii")
    write_maps(order.folder, "{path} {value}")
    tls = ""
    if certificate is not None:
        both = order.folder / "both.pem"
        both.write_bytes(certificate.certificate.read_bytes() + certificate.key.read_bytes())
        tls = f"ssl crt {both}"
    file = fill(
        "haproxy.cfg",
        order.folder,
        port=port,
        upstream=order.upstream,
        workers=order.workers,
        tls=tls,
    )
    command = [str(debian.HAPROXY.program), "-db", "-f", str(file)]
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
# By default fewer requests may be under way, and at one endpoint.
HEADGATE_MANY = headgate_with(
    "headgate",
    HEADGATE_LIMITS__IN_FLIGHT="4000",
    HEADGATE_UPSTREAMS__DEFAULT__BALANCE__MAX_IN_FLIGHT="4000",
)
# The fastest for large bodies among the settings tried that keep to 512 KiB for each of them, as
# the gate does.  A small response fits the first buffer (``head``; see ``nginx-log.conf``).
_SMALL_BUFFERS = {"block": "256k", "buffering": "on", "head": "7k", "buffer": "64k"}
NGINX = Program("nginx", _nginx("nginx.conf", _SMALL_BUFFERS), stop=signal.SIGQUIT)
# The fastest of all that were tried; it holds 1 MiB and more for each body.
NGINX_LARGE = Program(
    "nginx-1m",
    _nginx("nginx.conf", {"block": "2m", "buffering": "off", "head": "1m", "buffer": "1m"}),
)
NGINX_AUTH_REQUEST = Program(
    "nginx+auth_request", _nginx("nginx-auth-request.conf", mapped="known")
)
# An older release, compiled for speed (-O2) where the wheel's is compiled for size (-Os).
NGINX_DEBIAN = Program(
    "nginx-debian",
    _nginx("nginx.conf", _SMALL_BUFFERS, program=NGINX_PACKAGE.program),
    NGINX_PACKAGE,
    stop=signal.SIGQUIT,
)
ENVOY = Program("envoy", envoy.with_keys)
ENVOY_TOKENS = Program("envoy, jwt_authn with its cache", envoy.with_tokens)
ENVOY_TOKENS_ANEW = Program("envoy, jwt_authn", envoy.with_tokens_anew)
HAPROXY = Program("haproxy", _haproxy, debian.HAPROXY)
CADDY = Program("caddy", _caddy, CADDY_PACKAGE)
STARLETTE = Program("starlette+httpx", _starlette, module="httpx")


def new_key(folder: Path) -> str:
    """Make a key that the store in ``folder/data`` knows, as ``headgate keys create`` does."""
    return create_key(folder / "data", "bench")
