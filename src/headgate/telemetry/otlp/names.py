"""Names of attributes and metrics by OpenTelemetry's semantic conventions, and Headgate's own.

Those of the conventions are stable ones, of
https://opentelemetry.io/docs/specs/semconv/http/http-spans/,
https://opentelemetry.io/docs/specs/semconv/http/http-metrics/ and
https://opentelemetry.io/docs/specs/semconv/resource/; a test compares them with the constants of
``opentelemetry.semconv``, which the gate itself does not need.
"""

from __future__ import annotations

from typing import Final

CLIENT_ADDRESS: Final = "client.address"
ERROR_TYPE: Final = "error.type"
HTTP_REQUEST_METHOD: Final = "http.request.method"
HTTP_REQUEST_METHOD_ORIGINAL: Final = "http.request.method_original"
HTTP_REQUEST_RESEND_COUNT: Final = "http.request.resend_count"
HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"
HTTP_ROUTE: Final = "http.route"
NETWORK_PROTOCOL_VERSION: Final = "network.protocol.version"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
SERVICE_INSTANCE_ID: Final = "service.instance.id"
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
URL_FULL: Final = "url.full"
URL_PATH: Final = "url.path"
URL_SCHEME: Final = "url.scheme"
USER_AGENT_ORIGINAL: Final = "user_agent.original"

HTTP_SERVER_REQUEST_DURATION: Final = "http.server.request.duration"
HTTP_CLIENT_REQUEST_DURATION: Final = "http.client.request.duration"

OVERFLOW: Final = "otel.metric.overflow"
"""https://opentelemetry.io/docs/specs/otel/metrics/sdk/#overflow-attribute."""

FAMILY: Final = "headgate.family"
OPERATION: Final = "headgate.operation"
REASON: Final = "headgate.reason"
PHASE: Final = "headgate.phase"
SOURCE: Final = "headgate.source"
UPSTREAM: Final = "headgate.upstream"
REQUEST_ID: Final = "headgate.request_id"
PRINCIPAL: Final = "headgate.principal.id"
SECONDS: Final = "headgate.seconds"

EVENT_HELD: Final = "headgate.held"
EVENT_QUEUED: Final = "headgate.queued"
EVENT_CONNECTED: Final = "headgate.connected"
EVENT_SENT: Final = "headgate.sent"
EVENT_FIRST_BYTE: Final = "headgate.first_byte"

METHODS: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"}
)
"""The methods that ``http.request.method`` may have (RFC 9110 section 9, RFC 5789, QUERY)."""
OTHER_METHOD: Final = "_OTHER"
