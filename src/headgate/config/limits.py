"""Limits on what one client, and all of them together, may take of the gate."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, ByteSize, Field

from headgate.config.section import Seconds, Section
from headgate.errors import Problem

MOST_A_SECOND = 100_000
MOST_TOGETHER = 1_000_000
UNLIMITED = "unlimited"

_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?/ ?(s|min|h)(?:,? burst ([0-9]{1,9}))?")
_SECONDS = {"s": 1, "min": 60, "h": 3600}


class RequestRate(NamedTuple):
    """So many requests a second in the long run, of which ``burst`` may come together."""

    per_second: float
    burst: int


def parse_rate(text: str) -> RequestRate | None:
    """Read a rate such as ``20/s`` or ``30/min burst 100``; ``None``: it is unlimited.

    Without a burst, the requests of one second may come together, and one at least.

    Raises:
        ValueError: it is no rate.
    """
    if text == UNLIMITED:
        return None
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is not a rate such as '20/s', '30/min burst 100' or '{UNLIMITED}'"
        )
    per_second = float(match[1]) / _SECONDS[match[2]]
    if not 0 < per_second <= MOST_A_SECOND:
        raise ValueError(f"{text!r} must be over 0 and at most {MOST_A_SECOND} per second")
    burst = max(1, math.ceil(per_second)) if match[3] is None else int(match[3])
    if not 1 <= burst <= MOST_TOGETHER:
        raise ValueError(f"{text!r} must have a burst of at least 1 and at most {MOST_TOGETHER}")
    return RequestRate(per_second, burst)


def _checked(text: str) -> str:
    parse_rate(text)
    return text


RateText = Annotated[str, AfterValidator(_checked)]


class RequestRates(Section):
    """Maximum request rates of one principal, over all workers of the gate.

    Each is a number of requests per second, minute or hour, such as `20/s` or `30/min burst 100`.
    The burst is how many may come together; by default it is the number for one second, and at
    least 1. Above its rate a principal gets 429 with `Retry-After`.
    """

    reads: RateText = Field(
        UNLIMITED, description="Requests that change nothing and are in no other class."
    )
    writes: RateText = Field(
        UNLIMITED,
        description="Requests that create, change or delete something and are in no other class.",
    )
    artifacts: RateText = Field(
        UNLIMITED, description="Requests for files: list, upload, download and remove them."
    )
    traces: RateText = Field(
        UNLIMITED, description="Exports of traces, and all other requests for traces."
    )
    ai_gateway: RateText = Field(
        UNLIMITED, description="Calls of MLflow's AI gateway, and its set-up."
    )


class RoleRates(Section):
    """Instead of `limits.rates`, for principals with a role."""

    reads: RateText | None = Field(None, description="Instead of `limits.rates.reads`.")
    writes: RateText | None = Field(None, description="Instead of `limits.rates.writes`.")
    artifacts: RateText | None = Field(None, description="Instead of `limits.rates.artifacts`.")
    traces: RateText | None = Field(None, description="Instead of `limits.rates.traces`.")
    ai_gateway: RateText | None = Field(None, description="Instead of `limits.rates.ai_gateway`.")


class RoleLimits(Section):
    """What is different for principals with a role.

    Of several roles of a principal, the highest value that one of them sets applies.
    """

    weight: float | None = Field(
        None,
        gt=0,
        le=1000,
        allow_inf_nan=False,
        description="Weight in the queue of a full upstream: a principal with 2 gets twice the "
        "places of one with 1, which is the default.",
    )
    in_flight_share: float | None = Field(
        None,
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="Instead of `limits.in_flight_share`.",
    )
    rates: RoleRates = RoleRates()


class Limits(Section):
    """Limits that protect the gate and its clients from a single client."""

    head_bytes: ByteSize = Field(
        ByteSize(128 * 1024),
        ge=1024,
        description="Maximum size of a request target, whose path may have 8 KiB; and, "
        "separately, of all header fields of a request, or of a response with its status line.",
    )
    headers: int = Field(
        200,
        ge=10,
        le=10_000,
        description="Maximum number of header fields of a request or a response.",
    )
    buffered_body_bytes: ByteSize = Field(
        ByteSize(16 * 1024 * 1024),
        ge=1,
        description="Maximum size of a chunked body that the gate buffers for a route that needs "
        "Content-Length.",
    )
    body_bytes: ByteSize = Field(
        ByteSize(64 * 1024 * 1024),
        ge=1,
        description="Maximum size of the body of an API request. MLflow holds several copies of "
        "such a body in memory.",
    )
    trace_body_bytes: ByteSize = Field(
        ByteSize(128 * 1024 * 1024), ge=1, description="Maximum size of the body of a trace export."
    )
    artifact_body_bytes: ByteSize = Field(
        ByteSize(0), description="Maximum size of an artifact upload; 0: unlimited."
    )
    connections: int = Field(
        10_000,
        ge=1,
        le=1_000_000,
        description="Maximum number of client connections in each worker, including TLS "
        "handshakes. One address (IPv6: one /64 network) may have half of them until a connection "
        "sends a valid key; trusted proxies may have all.",
    )
    in_flight: int = Field(
        1_000,
        ge=1,
        description="Concurrency limit: requests in progress in each worker. Above it the gate "
        "responds with 429 immediately.",
    )
    in_flight_share: float = Field(
        0.5,
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="Share of `in_flight` that one principal may have while another one sends "
        "requests; 1: all. Above it the gate responds with 429 immediately. A principal is alone, "
        "and may have all, when no other has sent a request to the worker for 10 seconds.",
    )
    rates: RequestRates = RequestRates()
    roles: dict[str, RoleLimits] = Field(
        default_factory=dict,
        description="What is different for principals with a role, by name of the role.",
    )
    failed_authentications: RateText = Field(
        "20/s burst 500",
        description="Maximum rate of failed authentications from one address (IPv6: one /64 "
        "network), over all workers. Above it they get 429 instead of 401. Good credentials are "
        "accepted all the same, and credentials that were good once (revoked, expired) do not "
        "count.",
    )
    header_timeout: Seconds = Field(
        30,
        description="Seconds for a client to send the whole request head; and, before it, for the "
        "header of the PROXY protocol where one is required.",
    )
    keepalive_timeout: Seconds = Field(
        75, description="Seconds that a client connection may be idle between two requests."
    )
    body_timeout: Seconds = Field(
        60,
        description="Interval in seconds over which `min_body_rate` applies while a client sends "
        "a body or reads a response. The gate closes a connection that makes no progress for this "
        "time.",
    )
    min_body_rate: int = Field(
        128,
        ge=0,
        description="Minimum rate in bytes per second at which a client must send a body or read a "
        "response, over `body_timeout`. Time in which MLflow reads nothing does not count.",
    )


def unknown_roles(limits: Limits, known: Collection[str]) -> Iterator[Problem]:
    """The roles in ``limits.roles`` that there are not."""
    for name in limits.roles:
        if name not in known:
            yield Problem(
                f"limits.roles.{name}",
                "there is no such role; the roles are " + ", ".join(sorted(known)),
            )
