"""The settings of one upstream: discovery, TLS, health checks, balancing, retries, limits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, ByteSize, Field, field_validator, model_validator

from headgate.config.addresses import name_server
from headgate.config.credentials import CredentialSettings
from headgate.config.section import Seconds, Section, listed
from headgate.model import Api
from headgate.net.addresses import is_forbidden, is_unspecified
from headgate.net.hosts import address_of, is_metadata_name

DEVELOPMENT_URL = "http://127.0.0.1:5000"
OWN_SEGMENTS = frozenset({"-", "health"})
"""First path segments of the gate's own pages: ``/-/health``, ``/health/mlflow``."""
SCHEMES = ("http", "https", "srv+http", "srv+https", "cloudmap")

# A host that is valid in a URL, in a Host field and in a certificate; no zone, no user.
_LABEL = r"[A-Za-z0-9_\-]{1,63}"
_NAME = rf"(?=[^:]{{1,253}}(?::|$)){_LABEL}(?:\.{_LABEL})*\.?"
_HOST = re.compile(rf"{_NAME}|[0-9A-Fa-f:.]+")
_AUTHORITY = re.compile(rf"(?:{_NAME}|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?")
_CLOUDMAP = re.compile(r"cloudmap://[A-Za-z0-9_.\-]+/[A-Za-z0-9_.\-]+(?:\?port=[0-9]{1,5})?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9_~\-][A-Za-z0-9_~\-.]*)*/?")


def _checked_url(value: str) -> str:
    """One URL of an upstream, normalised.

    Raises:
        ValueError: the URL is invalid; the message says why.
    """
    parts = urlsplit(value)
    if parts.scheme not in SCHEMES:
        found = f"is {parts.scheme!r}" if parts.scheme else "is missing"
        raise ValueError(f"the scheme {found}; use http://host:port")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the URL must not contain credentials")
    if not parts.hostname:
        raise ValueError("the host is missing; use http://host:port")
    if parts.scheme == "cloudmap":
        if _CLOUDMAP.fullmatch(value) is None:
            raise ValueError("use cloudmap://namespace/service")
        if not 0 < int(value.partition("?port=")[2] or 1) < 65536:
            raise ValueError("the port must be between 1 and 65535")
        return value
    if parts.path not in ("", "/") or "?" in value or "#" in value:
        raise ValueError("the URL must not have a path: see static_prefix")
    url = f"{parts.scheme}://{parts.netloc}"
    if _AUTHORITY.fullmatch(parts.netloc) is None or url.lower() != value.lower().rstrip("/"):
        raise ValueError("the host is malformed; use http://host:port, with a name in ASCII")
    if parts.port == 0:  # raises ValueError for one that is not a number, or too large
        raise ValueError("port 0 cannot be connected to")
    if parts.scheme.startswith("srv+") and parts.port is not None:
        raise ValueError("SRV records name the port; leave it out")
    return url


class UpstreamTls(Section):
    """TLS of the connections to MLflow. A reload reads the files again."""

    ca: Path | None = Field(
        None,
        description="PEM file with the certificate authorities to trust. Default: the system's.",
    )
    server_name: str | None = Field(
        None,
        description="Host name that MLflow's certificate must have. Default: the host of the URL.",
    )
    certificate: Path | None = Field(
        None, description="PEM file: the client certificate that the gate sends."
    )
    key: Path | None = Field(
        None, description="PEM file: the private key of `certificate`, not encrypted."
    )

    @field_validator("server_name")
    @classmethod
    def _server_name(cls, value: str | None) -> str | None:
        if value is not None and _HOST.fullmatch(value) is None:
            raise ValueError("is not a host name or an address")
        return value

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key must be set together")
        return self


class Probes(Section):
    """Health checks of MLflow's endpoints, in each worker."""

    # HAProxy's defaults; docs/explanation/upstreams.md says why they suit MLflow.
    interval: float = Field(
        2,
        ge=0,
        allow_inf_nan=False,
        description="Seconds between two health checks of an endpoint, at least `timeout`; 0: no "
        "health checks.",
    )
    timeout: Seconds = Field(
        2,
        description="Seconds that a health check waits for its response. Set more for MLflow 2 "
        "with few workers: each worker responds to nothing else while it handles a request.",
    )
    unhealthy_after: int = Field(
        3, ge=1, description="Failed health checks in a row that make an endpoint unhealthy."
    )
    healthy_after: int = Field(
        1, ge=1, description="Successful health checks in a row that make an endpoint healthy."
    )
    apis: Annotated[tuple[Api, ...], BeforeValidator(listed)] = Field(
        (),
        description="MLflow APIs that each health check also requests, in addition to `/health`. "
        "An endpoint where one of them does not work is unhealthy. Each costs MLflow a database "
        "query.",
    )


class Balance(Section):
    """Load balancing over the endpoints of an upstream."""

    max_in_flight: int = Field(
        256,
        ge=1,
        description="Concurrency limit: requests in progress at one endpoint, in each worker.",
    )
    queue_size: int = Field(
        256,
        ge=0,
        description="Requests that may wait in the queue while every endpoint is at its limit.",
    )
    queue_timeout: Seconds = Field(
        10, description="Maximum seconds that a request waits in the queue."
    )
    ejection_after: int = Field(
        3, ge=1, description="Connection errors and resets in a row that eject an endpoint."
    )
    ejection_time: Seconds = Field(
        10, description="Seconds of the first ejection; each further one lasts twice as long."
    )
    max_ejection_time: Seconds = Field(300, description="Maximum seconds of an ejection.")
    max_ejected_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Maximum share of the endpoints that may be ejected at the same time; 0: none.",
    )
    slow_start: float = Field(
        10,
        ge=0,
        allow_inf_nan=False,
        description="Seconds over which a new or recovered endpoint ramps up to its full share.",
    )
    zone: str | None = Field(
        None,
        description="The gate's own availability zone, such as `eu-central-1a`. The gate prefers "
        "endpoints in this zone as long as one of them is available. It does not detect its own "
        "zone, and only Cloud Map reports those of endpoints (`AVAILABILITY_ZONE`).",
    )


class Parking(Section):
    """How requests are held while the upstream is parked for maintenance, in each worker."""

    hold: float = Field(
        100,
        ge=0,
        le=100,
        allow_inf_nan=False,
        description="Maximum seconds that a request is held, from when its client began to wait; "
        "then it is refused with 429 and `Retry-After`. At most 100, since MLflow's client waits "
        "120 for a response, and MLflow is to have the rest.",
    )
    export_hold: float = Field(
        9,
        ge=0,
        le=100,
        allow_inf_nan=False,
        description="Instead of `hold`, for exports of OpenTelemetry's own exporters: they give "
        "up 10 seconds after they began, attempts included. MLflow's client, which sends its "
        "traces as exports too, waits as long as elsewhere.",
    )
    queue_size: int = Field(
        10_000,
        ge=0,
        description="Maximum requests that are held; further ones are refused. Each takes a "
        "connection (`limits.connections`) and a few KiB; it does not count in `limits.in_flight`.",
    )
    release_limit: int = Field(
        12,
        ge=1,
        le=100_000,
        description="Maximum requests under way at MLflow while those that were held go on, from "
        "all workers of all gates together, but at least one from each worker. Keep it 3 below the "
        "connections that one process of MLflow has to its database, 15 by default: some of its "
        "calls need two, and wait for each other for 30 s once all are taken.",
    )
    release_max: float = Field(
        900,
        ge=30,
        le=3600,
        allow_inf_nan=False,
        description="Maximum seconds that those which were held may take to go on; in the last 15 "
        "of them `release_limit` is raised step by step, and then all go on.",
    )


class Retries(Section):
    """Retries of failed requests, where a retry cannot apply a change twice."""

    attempts: int = Field(
        3, ge=1, description="Maximum attempts for one request, including the first; 1: no retries."
    )
    total: float = Field(
        105,
        gt=0,
        le=110,
        description="Seconds from its arrival within which a retried request gets its response, "
        "or a 504 that explains why not; MLflow's client waits 120. No attempt starts with less "
        "time left than `connect_timeout`, or than a tenth of these seconds. For a request "
        "without retries only `silence_timeout` applies.",
    )
    share: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Retry budget: retries in progress as a share of all requests in progress, in "
        "each worker.",
    )
    minimum: int = Field(
        3, ge=0, description="Retries that may be in progress however few requests there are."
    )


class Creates(Section):
    """Creates whose response was lost, when they are sent again."""

    reconcile: bool = Field(
        True,
        description="Whether a `runs/create` with a start time, and the creation of a logged model "
        "from a run, is answered with what MLflow has created already, when its response was lost "
        "and the same principal sends the same bytes again. MLflow's client repeats such requests; "
        "without this each repetition makes a run that nobody uses.",
    )
    patience: Seconds = Field(
        5,
        description="Seconds for which MLflow is searched for what such a request may have created "
        "before it is sent as a new one: MLflow may still be executing the first. Set more for an "
        "MLflow whose database is slow.",
    )
    across_gates: bool = Field(
        False,
        description="Whether gates share what they know of such requests through the key store, so "
        "that one that is sent again at another gate is recognised, as when a whole gate has died. "
        "Each such request then waits for two transactions of the store. Set it in all gates, and "
        "give the upstream the same name in each.",
    )
    store_timeout: Seconds = Field(
        2,
        description="Seconds that such a request waits for the key store at most, before it is "
        "sent and once more before its response is given. After that it goes on without the store, "
        "and another gate does not recognise it. The longest of all upstreams counts.",
    )


class BodyLimits(Section):
    """Limits on bodies for this upstream. Default: the value in `limits`."""

    body_bytes: ByteSize | None = Field(None, ge=1, description="Maximum body of an API request.")
    trace_body_bytes: ByteSize | None = Field(
        None, ge=1, description="Maximum body of a trace export."
    )
    artifact_body_bytes: ByteSize | None = Field(
        None, description="Maximum size of an artifact upload; 0: unlimited."
    )


class Upstream(Section):
    """One MLflow service behind the gate."""

    url: str = Field(
        DEVELOPMENT_URL,
        description="The address of MLflow. `http://host:port` or `https://…`: the addresses of "
        "the host, resolved again when their TTL ends; several URLs, separated by commas, are one "
        "upstream. `srv+http://_mlflow._tcp.name`: SRV records. `cloudmap://namespace/service`: "
        "AWS Cloud Map. The URL has no path: run MLflow without a prefix, since with one it "
        "buffers whole artifacts.",
    )
    tls: UpstreamTls = Field(
        UpstreamTls(), description="For `https`; certificates are always verified."
    )
    credentials: CredentialSettings = CredentialSettings()
    limits: BodyLimits = BodyLimits()
    probes: Probes = Probes()
    balance: Balance = Balance()
    retries: Retries = Retries()
    parking: Parking = Parking()
    creates: Creates = Creates()
    resolver: str | None = Field(
        None,
        description="DNS server, as `address` or `address:port`. Default: the system's.",
    )
    allow_link_local: bool = Field(
        False,
        description="Allow link-local addresses and those of cloud metadata services as "
        "endpoints, from discovery and in `url`. MLflow never has such an address.",
    )
    prefixes: Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
        ("/", "/mlflow", "/api/mlflow"),
        min_length=1,
        description="Public path prefixes of this upstream. The gate removes them before it "
        "forwards a request.",
    )
    static_prefix: str = Field(
        "",
        description="The path prefix that MLflow itself runs under (`--static-prefix`), such as "
        "`/mlflow`. Avoid it: with a prefix MLflow keeps whole artifacts in memory.",
    )
    host_header: str = Field(
        "auto",
        description="The `Host` that the gate sends to MLflow: `auto` (the address if MLflow's "
        "default Host check accepts it, otherwise the name), `name`, `address`, or a literal "
        "value.",
    )
    connect_timeout: Seconds = Field(5, description="Seconds to open a connection to MLflow.")
    idle_timeout: Seconds = Field(
        4,
        lt=5,
        description="Seconds that the gate keeps an idle connection to MLflow; MLflow closes it "
        "after 5.",
    )
    idle_connections: int = Field(
        128, ge=0, description="Maximum idle connections per endpoint and worker."
    )
    silence_timeout: Seconds = Field(
        3600,
        description="Seconds for which MLflow may send nothing before or within a response. Long, "
        "because MLflow fetches a whole object from a remote artifact store before it sends the "
        "first byte.",
    )

    @property
    def urls(self) -> tuple[str, ...]:
        """The URLs, one by one."""
        return tuple(self.url.split(","))

    @property
    def is_https(self) -> bool:
        """Whether connections to MLflow are encrypted."""
        return self.url.startswith(("https:", "srv+https:"))

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        parts = value.split(",")
        urls = [_checked_url(each.strip(" ") if len(parts) > 1 else each) for each in parts]
        schemes = {url.partition(":")[0] for url in urls}
        if len(urls) > 1 and not schemes <= {"http", "https"}:
            raise ValueError("only http and https URLs can be listed")
        if len(schemes) > 1:
            raise ValueError("the URLs of a list must be all http or all https")
        return ",".join(urls)

    @field_validator("resolver")
    @classmethod
    def _resolver(cls, value: str | None) -> str | None:
        if value is not None:
            name_server(value)
        return value

    @model_validator(mode="after")
    def _metadata(self) -> Self:
        hosts = [urlsplit(url).hostname or "" for url in self.urls]
        # MLflow's log says that it listens on 0.0.0.0, and people copy that.
        found = [host for host in hosts if not is_unspecified(host) and _is_never_mlflow(host)]
        if found and not self.allow_link_local:
            raise ValueError(
                f"url: {found[0]} is a link-local address or a cloud metadata service, not an "
                "MLflow server; set allow_link_local if you mean it"
            )
        return self

    @field_validator("static_prefix")
    @classmethod
    def _static_prefix(cls, value: str) -> str:
        if _PREFIX.fullmatch(value) is None:
            raise ValueError("must be a path such as '/mlflow', of letters and digits")
        return value.rstrip("/")

    @field_validator("host_header")
    @classmethod
    def _host_header(cls, value: str) -> str:
        if _AUTHORITY.fullmatch(value) is None:
            raise ValueError("is not a host name or an address, with or without a port")
        return value

    @field_validator("prefixes")
    @classmethod
    def _prefixes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for prefix in value:
            if not prefix.startswith("/") or _PREFIX.fullmatch(prefix) is None:
                raise ValueError(
                    f"{prefix!r} must be a path such as '/team-a', of letters and digits"
                )
            first = prefix.split("/")[1]
            if first in OWN_SEGMENTS:
                raise ValueError(
                    f"{prefix!r} would hide the gate's own pages below '/{first}'; choose another"
                )
        return tuple(prefix.rstrip("/") for prefix in value)


def _is_never_mlflow(host: str) -> bool:
    """Whether a host, in any spelling, is link-local or a cloud metadata service."""
    address = address_of(host)
    return is_metadata_name(host) if address is None else is_forbidden(str(address))
