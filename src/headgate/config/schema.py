"""All settings, with unit, default and the reason for the default.

``docs/reference/configuration.md`` is generated from this file.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from headgate.config import issuers, key_digests, otlp
from headgate.config.auth import Auth, AuthMode
from headgate.config.host_names import HostNames
from headgate.config.limits import Limits, unknown_roles
from headgate.config.log import Log
from headgate.config.networks import Networks
from headgate.config.ops import Ops
from headgate.config.restart import RELOADED, RESTART
from headgate.config.roles import Role
from headgate.config.section import LONGEST_SECONDS, Seconds, Section
from headgate.config.shields import Shields
from headgate.config.telemetry import Telemetry
from headgate.config.upstream import Upstream
from headgate.errors import Problem
from headgate.policy.roles import BUILT_IN, problems


class ListenTls(Section):
    """Certificates of the listener. The gate reads changed files again within seconds."""

    certificate: Path = Field(description="PEM file: the certificate and its chain.")
    key: Path = Field(description="PEM file: the private key, not encrypted.")
    client_ca: Path | None = Field(
        None,
        description="PEM file: require a client certificate that one of these certificate "
        "authorities has signed.",
    )


class Listen(Section):
    """Where and how the gate listens."""

    host: str = Field(
        "127.0.0.1", description="Address to listen on: a host name or an IP address."
    )
    port: int = Field(8080, ge=0, le=65535, description="TCP port; 0: any free port.")
    workers: int = Field(1, ge=1, le=256, description="Worker processes that share the port.")
    worker_timeout: float = Field(
        15,
        ge=2,
        allow_inf_nan=False,
        description="Seconds for which the event loop of a worker may hang before the supervisor "
        "kills and replaces the worker.",
    )
    backlog: int = Field(
        2048,
        ge=1,
        le=65_535,
        description="Connections that the kernel may queue until the gate accepts them.",
    )
    tls: ListenTls | None = Field(None, description="Serve HTTPS. Without this table: HTTP.")
    trusted_proxies: Networks = Field(
        (),
        json_schema_extra=RELOADED,
        description="Networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` the gate "
        "trusts, such as a load balancer's subnets. Default: none.",
    )
    proxy_protocol: Networks = Field(
        (),
        json_schema_extra=RELOADED,
        description="Networks of proxies whose connections must begin with a header of the PROXY "
        "protocol, version 1 or 2, such as the subnets of an AWS Network Load Balancer. The client "
        "is then the one that the header names. Connections from all other networks are closed, "
        "and so are those without a valid header, which must come within `limits.header_timeout` "
        "and have at most `limits.head_bytes`. Default: none, and no header is accepted.",
    )
    public_names: HostNames = Field(
        (),
        json_schema_extra=RELOADED,
        description="Host names under which browsers reach the gate, each with its port if the "
        "address bar shows one, such as `mlflow.example.com` or `tools.example.com:8443`. Pages "
        "of these names may send writes, whatever `Host` a proxy in front of the gate sends; "
        "without keys, requests may have these names in `Host`.",
    )
    lame_duck: float = Field(
        5,
        ge=0,
        le=LONGEST_SECONDS,
        allow_inf_nan=False,
        description="Seconds after SIGTERM in which the gate reports that it is not ready but "
        "still serves new connections, so that load balancers can stop sending to it. SIGINT "
        "skips it.",
    )
    drain_timeout: Seconds = Field(
        60, description="Seconds that requests in progress have to finish after that."
    )
    hand_over_timeout: Seconds = Field(
        3600,
        description="Seconds that requests in progress have to finish once another gate has taken "
        "over. The process ends as soon as the last one has.",
    )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        if self.host == "localhost":
            return True
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return False
        # From Python 3.13 on an IPv4-mapped address counts as loopback too; here none does.
        mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None
        return address.is_loopback and not mapped


class Config(Section):
    """Settings without a table of their own."""

    data: Path = Field(
        Path("headgate-data"),
        json_schema_extra=RESTART,
        description="Data folder: the key store, and the data of `headgate up`.",
    )
    listen: Listen = Field(Listen(), json_schema_extra=RESTART)
    auth: Auth = Field(Auth(), json_schema_extra=RESTART)
    upstreams: dict[str, Upstream] = Field(
        default_factory=lambda: {"default": Upstream()},
        description="MLflow services by name; one must be called `default`.",
    )
    roles: dict[str, Role] = Field(default_factory=dict, description="Your own roles, by name.")
    shields: Shields = Shields()
    limits: Limits = Limits()
    log: Log = Field(Log(), json_schema_extra=RESTART)
    telemetry: Telemetry = Field(Telemetry(), json_schema_extra=RESTART)
    ops: Ops = Field(Ops(), json_schema_extra=RESTART)

    @property
    def key_database(self) -> Path:
        """The SQLite file of the key store."""
        return self.data / "keys.sqlite"

    def conflicts(self) -> list[Problem]:
        """Problems of settings that contradict each other."""
        return [
            *_unauthenticated_network(self),
            *_listener_files(self.listen),
            *_same_address(self.listen, self.ops),
            *_proxies_of_no_listener(self.ops),
            *_prefixes_used_twice(self.upstreams),
            *_creates_without_store(self),
            *(each for name, one in self.upstreams.items() for each in _upstream_files(name, one)),
            *problems(self.roles, self.upstreams),
            *unknown_roles(self.limits, {*BUILT_IN, *self.roles}),
            *issuers.problems(self.auth.issuers, (*BUILT_IN, *self.roles)),
            *_issuer_files(self.auth),
            *_two_databases(self.auth),
            *otlp.problems(self.telemetry.otlp),
            *_otlp_files(self.telemetry.otlp),
            *self.log.problems(),
            *key_digests.problems(
                self.auth.first_key_sha256,
                self.auth.first_key_sha256_file,
                self.auth.break_glass,
            ),
        ]

    @model_validator(mode="after")
    def _default_upstream(self) -> Self:
        if "default" not in self.upstreams:
            raise ValueError("upstreams.default is missing")
        return self


def _unauthenticated_network(config: Config) -> Iterator[Problem]:
    if config.auth.mode is AuthMode.NONE and not config.listen.is_loopback:
        yield Problem(
            "auth.mode",
            f"'none' with listen.host '{config.listen.host}' would give the whole network access "
            "without a key; use auth.mode = 'keys' or listen on 127.0.0.1",
        )


def _creates_without_store(config: Config) -> Iterator[Problem]:
    if config.auth.mode is AuthMode.NONE:
        for name, upstream in config.upstreams.items():
            if upstream.creates.across_gates:
                yield Problem(
                    f"upstreams.{name}.creates.across_gates",
                    "gates share creates through the key store, and with auth.mode = 'none' there "
                    "is none; use auth.mode = 'keys' or leave it out",
                )


def _same_address(listen: Listen, ops: Ops) -> Iterator[Problem]:
    if listen.port and ops.address == (listen.host, listen.port):
        yield Problem(
            "ops.listen",
            f"'{ops.listen}' is the address of listen.host and listen.port; choose another port",
        )


def _proxies_of_no_listener(ops: Ops) -> Iterator[Problem]:
    if ops.proxy_protocol and ops.address is None:
        yield Problem("ops.proxy_protocol", "has no effect: ops.listen is empty")


def _prefixes_used_twice(upstreams: Mapping[str, Upstream]) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, upstream in upstreams.items():
        for prefix in dict.fromkeys(upstream.prefixes):
            owner = owners.setdefault(prefix, name)
            if owner != name:
                taken = f"'{prefix or '/'}' already belongs to upstreams.{owner}"
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
        yield Problem(path, f"has no effect for the plain HTTP {upstream.url}; use an https:// URL")
    yield from _unreadable(f"{path}.ca", tls.ca)
    yield from _unreadable(f"{path}.certificate", tls.certificate)
    yield from _unreadable(f"{path}.key", tls.key)
    credentials = upstream.credentials
    path = f"upstreams.{name}.credentials"
    yield from _unreadable(f"{path}.password_file", credentials.password_file)
    yield from _unreadable(f"{path}.token_file", credentials.token_file)


def _two_databases(auth: Auth) -> Iterator[Problem]:
    if auth.database_url is not None and auth.database_url_file is not None:
        yield Problem("auth.database_url_file", "is given together with auth.database_url")


def _issuer_files(auth: Auth) -> Iterator[Problem]:
    if auth.mode is AuthMode.NONE and auth.issuers:
        yield Problem("auth.issuers", "has no effect with auth.mode 'none'")
    for name, issuer in auth.issuers.items():
        path = f"auth.issuers.{name}"
        yield from _unreadable(f"{path}.jwks_file", issuer.jwks_file)
        yield from _unreadable(f"{path}.ca", issuer.ca)
        yield from _unreadable(f"{path}.token_file", issuer.token_file)


def _otlp_files(settings: otlp.Otlp) -> Iterator[Problem]:
    for each in ("headers_file", "ca", "certificate", "key"):
        yield from _unreadable(f"telemetry.otlp.{each}", getattr(settings, each))


def _unreadable(path: str, file: Path | None) -> Iterator[Problem]:
    if file is None:
        return
    try:
        with file.open("rb"):
            return
    except OSError as error:
        yield Problem(path, f"{file} cannot be read: {error.strerror or error}")
