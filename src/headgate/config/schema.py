"""Every setting, with its unit, its default and the reason for the default.

``docs/reference/configuration.md`` is generated from this file.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    BeforeValidator,
    ByteSize,
    Field,
    model_validator,
)

from headgate.config.restart import RELOADED, RESTART
from headgate.config.roles import Role
from headgate.config.section import LONGEST_SECONDS, Seconds, Section, listed
from headgate.config.shields import Shields
from headgate.config.upstream import Upstream
from headgate.errors import Problem
from headgate.policy.roles import problems

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(value: object) -> object:
    value = listed(value)
    if not isinstance(value, list | tuple):
        return value
    found, problems = [], []
    for item in value:
        try:
            found.append(ipaddress.ip_network(item))
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("; ".join(problems))
    return found


# RFC 3986's reg-name without percent-encoding and sub-delims, or an IP address; then a port.
_NAME = re.compile(r"([a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")


def _names(value: object) -> object:
    value = listed(value)
    if isinstance(value, list | tuple):
        for each in value:
            if not isinstance(each, str) or not _is_name(each.lower()):
                raise ValueError(
                    f"{each!r} is no name with or without a port, such as 'mlflow.example.com'; "
                    "it has no scheme and no path"
                )
    return value


def _is_name(text: str) -> bool:
    match = _NAME.fullmatch(text)
    if match is None or int(match[2] or 0) > 65535:
        return False
    host: str = match[1]
    try:
        return not host.startswith("[") or bool(ipaddress.IPv6Address(host[1:-1]))
    except ValueError:
        return False


class ListenTls(Section):
    """Certificates of the listener; files that change are read again within seconds."""

    certificate: Path = Field(description="PEM file: the certificate and its chain.")
    key: Path = Field(description="PEM file: the private key, not encrypted.")
    client_ca: Path | None = Field(
        None, description="PEM file: clients must show a certificate that these authorities signed."
    )


class Listen(Section):
    """Where and how the gate listens."""

    host: str = Field("127.0.0.1", description="Address to listen on; a name or an IP address.")
    port: int = Field(8080, ge=0, le=65535, description="TCP port; 0 takes any free one.")
    workers: int = Field(1, ge=1, le=256, description="Worker processes that share the port.")
    worker_timeout: float = Field(
        15,
        ge=2,
        allow_inf_nan=False,
        description="Seconds for which the event loop of a worker may stand still; then the worker "
        "is killed and replaced.",
    )
    backlog: int = Field(
        2048, ge=1, le=65_535, description="Connections the kernel may hold for accept."
    )
    tls: ListenTls | None = Field(None, description="Serve HTTPS; without it, HTTP.")
    trusted_proxies: Annotated[tuple[Network, ...], BeforeValidator(_networks)] = Field(
        (),
        json_schema_extra=RELOADED,
        description="Networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, such "
        "as a load balancer's subnets. Default: nobody's.",
    )
    public_names: Annotated[tuple[str, ...], BeforeValidator(_names)] = Field(
        (),
        json_schema_extra=RELOADED,
        description="Names under which browsers reach the gate, each with its port where the "
        "address bar shows one, such as `mlflow.example.com` or `tools.example.com:8443`. Their "
        "pages may write, whatever `Host` a proxy in front sends; and without keys requests may "
        "name them in `Host`.",
    )
    lame_duck: float = Field(
        5,
        ge=0,
        le=LONGEST_SECONDS,
        allow_inf_nan=False,
        description="Seconds after SIGTERM in which readiness is false but new connections are "
        "still served, so that balancers can turn away first. SIGINT skips it.",
    )
    drain_timeout: Seconds = Field(
        60, description="Seconds that requests under way may take to finish after that."
    )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


class AuthMode(enum.StrEnum):
    """How clients show who they are."""

    KEYS = "keys"
    NONE = "none"


class Auth(Section):
    """Who may pass."""

    mode: AuthMode = Field(
        AuthMode.KEYS,
        description="`keys`: every client needs an API key. `none`: everybody passes; refused "
        "unless the gate listens on a loopback address.",
    )
    refresh_interval: Seconds = Field(
        0.5, le=1.5, description="Seconds between looks for new and revoked keys, in each worker."
    )


class Limits(Section):
    """Bounds that keep one client from harming the others."""

    head_bytes: ByteSize = Field(
        ByteSize(128 * 1024),
        ge=1024,
        description="Longest request target, whose path may have 8 KiB; and all header fields of a "
        "request, or of a response with its status line.",
    )
    headers: int = Field(
        200, ge=10, le=10_000, description="Header fields in a request or a response."
    )
    buffered_body_bytes: ByteSize = Field(
        ByteSize(16 * 1024 * 1024),
        ge=1,
        description="Largest chunked body collected for a route that needs Content-Length.",
    )
    body_bytes: ByteSize = Field(
        ByteSize(64 * 1024 * 1024),
        ge=1,
        description="Largest body of an API request. MLflow holds such a body in memory several "
        "times over.",
    )
    trace_body_bytes: ByteSize = Field(
        ByteSize(128 * 1024 * 1024), ge=1, description="Largest body of a trace export."
    )
    artifact_body_bytes: ByteSize = Field(
        ByteSize(0), description="Largest artifact that may be uploaded; 0: any."
    )
    connections: int = Field(
        10_000,
        ge=1,
        le=1_000_000,
        description="Client connections in each worker, TLS handshakes "
        "included. One address (IPv6: one /64 network) may have half of them while they have not "
        "shown a good key; trusted proxies may have all.",
    )
    in_flight: int = Field(
        1_000,
        ge=1,
        description="Requests under way in each worker; above it the response is 429 at once.",
    )
    header_timeout: Seconds = Field(30, description="Seconds to send a whole request head.")
    keepalive_timeout: Seconds = Field(
        75, description="Seconds a client connection may rest between two requests."
    )
    body_timeout: Seconds = Field(
        60,
        description="Seconds over which a client's progress is judged while it sends a body or "
        "reads a response; one that stands still for so long is given up.",
    )
    min_body_rate: int = Field(
        128,
        ge=0,
        description="Bytes per second that a client must send of a body, or take of a response "
        "that waits for it, over `body_timeout`; time in which MLflow takes nothing does not "
        "count.",
    )


class Log(Section):
    """What is written about requests and events."""

    access: bool = Field(True, description="One JSON line for each request, on standard output.")


class Config(Section):
    """The whole configuration of a gate."""

    data: Path = Field(
        Path("headgate-data"),
        json_schema_extra=RESTART,
        description="Folder of the key store and of `headgate up`.",
    )
    listen: Listen = Field(Listen(), json_schema_extra=RESTART)
    auth: Auth = Field(Auth(), json_schema_extra=RESTART)
    upstreams: dict[str, Upstream] = Field(
        default_factory=lambda: {"default": Upstream()},
        description="Named MLflow services; `default` must be among them.",
    )
    roles: dict[str, Role] = Field(
        default_factory=dict, description="What keys may do, under names of your own."
    )
    shields: Shields = Shields()
    limits: Limits = Limits()
    log: Log = Field(Log(), json_schema_extra=RESTART)

    @property
    def key_database(self) -> Path:
        """The SQLite file that holds the keys."""
        return self.data / "keys.sqlite"

    def conflicts(self) -> list[Problem]:
        """Problems that show only when settings are seen together."""
        return [
            *_open_door(self),
            *_listener_files(self.listen),
            *_prefixes_used_twice(self.upstreams),
            *(each for name, one in self.upstreams.items() for each in _upstream_files(name, one)),
            *problems(self.roles, self.upstreams),
        ]

    @model_validator(mode="after")
    def _default_upstream(self) -> Self:
        if "default" not in self.upstreams:
            raise ValueError("upstreams.default is missing")
        return self


def _open_door(config: Config) -> Iterator[Problem]:
    if config.auth.mode is AuthMode.NONE and not config.listen.is_loopback:
        yield Problem(
            "auth.mode",
            f"'none' with listen.host '{config.listen.host}' would let the whole network in; "
            "use auth.mode = 'keys' or listen on 127.0.0.1",
        )


def _prefixes_used_twice(upstreams: Mapping[str, Upstream]) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, upstream in upstreams.items():
        for prefix in dict.fromkeys(upstream.prefixes):
            owner = owners.setdefault(prefix, name)
            if owner != name:
                taken = f"'{prefix or '/'}' leads to upstreams.{owner} already"
                yield Problem(f"upstreams.{name}.prefixes", taken)


def _listener_files(listen: Listen) -> Iterator[Problem]:
    if listen.tls is not None:
        tls = listen.tls
        yield from _unreadable("listen.tls.certificate", tls.certificate)
        yield from _unreadable("listen.tls.key", tls.key)
        yield from _unreadable("listen.tls.client_ca", tls.client_ca)


def _upstream_files(name: str, upstream: Upstream) -> Iterator[Problem]:
    path, tls = f"upstreams.{name}.tls", upstream.tls
    if not upstream.is_https and tls.model_fields_set:
        yield Problem(path, f"is of no use to the plain {upstream.url}; use an https:// URL")
    yield from _unreadable(f"{path}.ca", tls.ca)
    yield from _unreadable(f"{path}.certificate", tls.certificate)
    yield from _unreadable(f"{path}.key", tls.key)
    credentials = upstream.credentials
    path = f"upstreams.{name}.credentials"
    yield from _unreadable(f"{path}.password_file", credentials.password_file)
    yield from _unreadable(f"{path}.token_file", credentials.token_file)


def _unreadable(path: str, file: Path | None) -> Iterator[Problem]:
    if file is None:
        return
    try:
        with file.open("rb"):
            return
    except OSError as error:
        yield Problem(path, f"{file} cannot be read: {error.strerror or error}")
