"""The settings of one upstream: where MLflow is found, how it is watched and balanced over."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, ByteSize, Field, field_validator, model_validator

from headgate.config.addresses import name_server
from headgate.config.credentials import Credentials
from headgate.config.section import Seconds, Section, listed
from headgate.model import Api
from headgate.net.addresses import is_forbidden, is_unspecified
from headgate.net.hosts import address_of, is_metadata_name

DEVELOPMENT_URL = "http://127.0.0.1:5000"
OWN_SEGMENTS = frozenset({"-", "health"})
"""First segments of the gate's own pages: ``/-/health``, ``/health/mlflow``."""
SCHEMES = ("http", "https", "srv+http", "srv+https", "cloudmap")

# A host as it may stand in a URL, in a Host field and in a certificate; no zone, no user.
_LABEL = r"[A-Za-z0-9_\-]{1,63}"
_NAME = rf"(?=[^:]{{1,253}}(?::|$)){_LABEL}(?:\.{_LABEL})*\.?"
_HOST = re.compile(rf"{_NAME}|[0-9A-Fa-f:.]+")
_AUTHORITY = re.compile(rf"(?:{_NAME}|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?")
_CLOUDMAP = re.compile(r"cloudmap://[A-Za-z0-9_.\-]+/[A-Za-z0-9_.\-]+(?:\?port=[0-9]{1,5})?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9_~\-][A-Za-z0-9_~\-.]*)*/?")


def _checked_url(value: str) -> str:
    """One URL of an upstream in its plain form.

    Raises:
        ValueError: with what is wrong with it.
    """
    parts = urlsplit(value)
    if parts.scheme not in SCHEMES:
        found = f"is {parts.scheme!r}" if parts.scheme else "is missing"
        raise ValueError(f"the scheme {found}; use http://host:port")
    if parts.username is not None or parts.password is not None:
        raise ValueError("credentials do not belong in the URL")
    if not parts.hostname:
        raise ValueError("the host is missing; use http://host:port")
    if parts.scheme == "cloudmap":
        if _CLOUDMAP.fullmatch(value) is None:
            raise ValueError("use cloudmap://namespace/service")
        if not 0 < int(value.partition("?port=")[2] or 1) < 65536:
            raise ValueError("the port must be between 1 and 65535")
        return value
    if parts.path not in ("", "/") or "?" in value or "#" in value:
        raise ValueError("a path does not belong in the URL: see static_prefix")
    url = f"{parts.scheme}://{parts.netloc}"
    if _AUTHORITY.fullmatch(parts.netloc) is None or url.lower() != value.lower().rstrip("/"):
        raise ValueError("the host is malformed; use http://host:port, a name in ASCII")
    if parts.port == 0:  # and ValueError for one that is no number, or too large
        raise ValueError("port 0 cannot be connected to")
    if parts.scheme.startswith("srv+") and parts.port is not None:
        raise ValueError("SRV records name the port; leave it out")
    return url


class UpstreamTls(Section):
    """How MLflow's certificate is checked, and which one it is shown; a reload reads the files."""

    ca: Path | None = Field(
        None, description="PEM file of the authorities to trust; without it, the system's."
    )
    server_name: str | None = Field(
        None, description="Name the certificate must bear; without it, the URL's host."
    )
    certificate: Path | None = Field(None, description="PEM file: the gate's own certificate.")
    key: Path | None = Field(
        None, description="PEM file: the private key of `certificate`, not encrypted."
    )

    @field_validator("server_name")
    @classmethod
    def _server_name(cls, value: str | None) -> str | None:
        if value is not None and _HOST.fullmatch(value) is None:
            raise ValueError("is no host name or address")
        return value

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        return self


class Probes(Section):
    """How MLflow's endpoints are watched, in each worker."""

    # HAProxy's numbers; docs/explanation/upstreams.md says why they suit MLflow.
    interval: float = Field(
        2,
        ge=0,
        allow_inf_nan=False,
        description="Seconds between two probes of an endpoint, `timeout` at least; 0: it is not "
        "probed.",
    )
    timeout: Seconds = Field(
        2,
        description="Seconds for a probe's response. More for an MLflow 2 with few workers: each "
        "of them answers nothing while it has a request.",
    )
    unhealthy_after: int = Field(3, ge=1, description="Failed probes in a row.")
    healthy_after: int = Field(1, ge=1, description="Successful probes in a row.")
    apis: Annotated[tuple[Api, ...], BeforeValidator(listed)] = Field(
        (),
        description="APIs that each probe uses as well, beside `/health`; an endpoint where one "
        "does not work is unhealthy. They cost MLflow a query of its database each.",
    )


class Balance(Section):
    """How requests are spread over an upstream's endpoints."""

    max_in_flight: int = Field(
        256, ge=1, description="Requests under way at one endpoint, in each worker."
    )
    queue_size: int = Field(
        256, ge=0, description="Requests that may wait while every endpoint is full."
    )
    queue_timeout: Seconds = Field(10, description="Seconds such a request waits at most.")
    ejection_after: int = Field(
        3, ge=1, description="Connect errors and resets in a row that eject an endpoint."
    )
    ejection_time: Seconds = Field(
        10, description="Seconds of a first ejection; each further one lasts twice as long."
    )
    max_ejection_time: Seconds = Field(300, description="Seconds that an ejection lasts at most.")
    max_ejected_share: float = Field(
        0.5, ge=0, le=1, description="Share of the endpoints that may be ejected at once; 0: none."
    )
    slow_start: float = Field(
        10,
        ge=0,
        allow_inf_nan=False,
        description="Seconds in which an endpoint new in service comes to its full share.",
    )
    zone: str | None = Field(
        None,
        description="The gate's own availability zone, such as `eu-central-1a`: endpoints there "
        "are preferred as long as one of them is available. The gate does not find its zone out by "
        "itself, and only Cloud Map tells those of the endpoints (`AVAILABILITY_ZONE`).",
    )


class Retries(Section):
    """When a failed request is sent to MLflow again, as far as that changes nothing twice."""

    attempts: int = Field(
        3, ge=1, description="Attempts for one request, the first included; 1: none is repeated."
    )
    total: float = Field(
        105,
        gt=0,
        le=110,
        description="Seconds from a request's arrival within which one that is repeated has its "
        "response, or a 504 that explains why not; MLflow's client waits 120. No attempt begins "
        "with less left than `connect_timeout`, or than a tenth of these seconds. A request that "
        "was never repeated may wait for its response as long as `silence_timeout` says.",
    )
    share: float = Field(
        0.2,
        ge=0,
        le=1,
        description="The budget: repeats under way as a share of all requests under way, in each "
        "worker.",
    )
    minimum: int = Field(
        3, ge=0, description="Repeats that may be under way however few the requests are."
    )


class BodyLimits(Section):
    """Bounds on bodies that differ for this upstream; without one, that of `limits` holds."""

    body_bytes: ByteSize | None = Field(None, ge=1, description="Largest body of an API request.")
    trace_body_bytes: ByteSize | None = Field(
        None, ge=1, description="Largest body of a trace export."
    )
    artifact_body_bytes: ByteSize | None = Field(
        None, description="Largest artifact that may be uploaded; 0: any."
    )


class Upstream(Section):
    """One MLflow service behind the gate."""

    url: str = Field(
        DEVELOPMENT_URL,
        description="Where MLflow is found. `http://host:port` or `https://…`: the host's "
        "addresses, asked for again by their TTL; several, separated by commas, are one upstream. "
        "`srv+http://_mlflow._tcp.name`: SRV records. `cloudmap://namespace/service`: AWS Cloud "
        "Map. Without a path: MLflow is to run unprefixed, since a prefix sends its artifacts "
        "down a buffering path.",
    )
    tls: UpstreamTls = Field(UpstreamTls(), description="For `https`; verification is always on.")
    credentials: Credentials = Credentials()
    limits: BodyLimits = BodyLimits()
    probes: Probes = Probes()
    balance: Balance = Balance()
    retries: Retries = Retries()
    resolver: str | None = Field(
        None, description="DNS server to ask, as `address` or `address:port`; else the system's."
    )
    allow_link_local: bool = Field(
        False,
        description="Use link-local addresses and those of cloud metadata services, whether "
        "discovery names them or `url`. MLflow has none of them.",
    )
    prefixes: Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
        ("/", "/mlflow", "/api/mlflow"),
        min_length=1,
        description="Public path prefixes that lead here; each is removed before forwarding.",
    )
    static_prefix: str = Field(
        "",
        description="The path that MLflow itself runs under (`--static-prefix`), such as "
        "`/mlflow`. Better none: below it MLflow keeps whole artifacts in memory.",
    )
    host_header: str = Field(
        "auto",
        description="`Host` sent to MLflow: `auto` (the address where MLflow's default Host "
        "check accepts it, else the name), `name`, `address`, or a literal value.",
    )
    connect_timeout: Seconds = Field(5, description="Seconds to open a connection to MLflow.")
    idle_timeout: Seconds = Field(
        4,
        lt=5,
        description="Seconds an unused connection to MLflow is kept; MLflow closes its own "
        "side after 5.",
    )
    idle_connections: int = Field(
        128, ge=0, description="Unused connections kept for each endpoint and worker."
    )
    silence_timeout: Seconds = Field(
        3600,
        description="Seconds MLflow may stay silent before or within a response. Long on "
        "purpose: from a remote artifact store the first byte comes only after MLflow has "
        "fetched the whole object.",
    )

    @property
    def urls(self) -> tuple[str, ...]:
        """The URLs one by one."""
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
            raise ValueError("only http and https URLs can stand in a list")
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
        # MLflow's log says that it listens at 0.0.0.0, and people write that.
        found = [host for host in hosts if not is_unspecified(host) and _is_never_mlflow(host)]
        if found and not self.allow_link_local:
            raise ValueError(
                f"url: {found[0]} is link-local or a cloud's metadata service, where no MLflow "
                "is; set allow_link_local if it is meant"
            )
        return self

    @field_validator("static_prefix")
    @classmethod
    def _static_prefix(cls, value: str) -> str:
        if _PREFIX.fullmatch(value) is None:
            raise ValueError("must be a path such as '/mlflow', of plain letters and digits")
        return value.rstrip("/")

    @field_validator("host_header")
    @classmethod
    def _host_header(cls, value: str) -> str:
        if _AUTHORITY.fullmatch(value) is None:
            raise ValueError("is no host name or address, with or without a port")
        return value

    @field_validator("prefixes")
    @classmethod
    def _prefixes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for prefix in value:
            if not prefix.startswith("/") or _PREFIX.fullmatch(prefix) is None:
                raise ValueError(
                    f"{prefix!r} must be a path such as '/team-a', of plain letters and digits"
                )
            first = prefix.split("/")[1]
            if first in OWN_SEGMENTS:
                raise ValueError(
                    f"{prefix!r} would hide the gate's own pages below '/{first}'; choose another"
                )
        return tuple(prefix.rstrip("/") for prefix in value)


def _is_never_mlflow(host: str) -> bool:
    """Whether a host, in any spelling, is link-local or a cloud's metadata service."""
    address = address_of(host)
    return is_metadata_name(host) if address is None else is_forbidden(str(address))
