"""Header fields for the collector, from a file or from OpenTelemetry's variable."""

from __future__ import annotations

import pytest

from headgate.errors import HeadgateError
from headgate.telemetry.otlp.headers import from_file, from_variable


def test_a_file_has_one_field_on_each_line() -> None:
    content = b"# for the collector\nAuthorization: Basic dXNlcjpwYXNz\n\nX-Scope-OrgID:  a:b \r\n"
    assert from_file(content, "file") == (
        ("Authorization", "Basic dXNlcjpwYXNz"),
        ("X-Scope-OrgID", "a:b"),
    )
    assert from_file(b"", "file") == ()


def test_the_variable_has_percent_encoded_values() -> None:
    """As https://opentelemetry.io/docs/specs/otel/protocol/exporter/ has it."""
    assert from_variable("api-key=a%20b, tenant=x=y,") == (("api-key", "a b"), ("tenant", "x=y"))
    assert from_variable("") == ()


@pytest.mark.parametrize(
    "content",
    [
        b"canary",
        b": canary",
        b"Na me: canary",
        b"Name: can\x00ary",
        "Näme: canary".encode(),
        b"Content-Length: 1",
        b"transfer-encoding: canary",
        b"Host: canary",
        b"A: canary" * 10_000,
    ],
)
def test_what_is_no_field_is_refused_without_repeating_it(content: bytes) -> None:
    with pytest.raises(HeadgateError) as caught:
        from_file(content, "/run/secrets/headers")
    assert "/run/secrets/headers" in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("value", ["canary", "a b=canary", "a=canary%0d%0aB: c", "a=%00canary"])
def test_the_variable_cannot_smuggle_a_line(value: str) -> None:
    with pytest.raises(HeadgateError) as caught:
        from_variable(value)
    assert "canary" not in str(caught.value)
