"""Limits on what one client, and all of them together, may take of the gate."""

from __future__ import annotations

from pydantic import ByteSize, Field

from headgate.config.section import Seconds, Section


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
    header_timeout: Seconds = Field(
        30, description="Seconds for a client to send the whole request head."
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
