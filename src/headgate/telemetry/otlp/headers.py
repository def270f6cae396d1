"""The header fields that a collector wants, such as credentials."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from headgate.errors import HeadgateError

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[\t -~]*")
_OWN: Final = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
MOST_BYTES: Final = 16 * 1024

Fields = tuple[tuple[str, str], ...]


def from_file(content: bytes, name: str) -> Fields:
    """The fields in a file: one ``Name: value`` on each line; ``#`` begins a comment.

    Args:
        content: of the file.
        name: of the file, for the message.

    Raises:
        HeadgateError: a line is no field; the message does not repeat it.
    """
    if len(content) > MOST_BYTES:
        raise HeadgateError(f"{name} is over {MOST_BYTES} bytes")
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        raise HeadgateError(f"{name} must be ASCII: one 'Name: value' on each line") from None
    return tuple(_fields(text.splitlines(), ":", name))


def from_variable(value: str) -> Fields:
    """The fields in ``OTEL_EXPORTER_OTLP_HEADERS``: ``name=value,name2=value2``.

    https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables
    has values percent-encoded.

    Raises:
        HeadgateError: a member is no field; the message does not repeat it.
    """
    members = []
    for member in value.split(","):
        name, equals, text = member.partition("=")
        members.append(f"{name}{equals}{unquote(text)}")
    return tuple(_fields(members, "=", "OTEL_EXPORTER_OTLP_HEADERS"))


def _fields(lines: list[str], separator: str, where: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, found, value = line.partition(separator)
        name, value = name.strip(), value.strip()
        if not found or _TOKEN.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise HeadgateError(f"{where}: number {number} is not a header field and its value")
        if name.lower() in _OWN:
            raise HeadgateError(f"{where}: number {number} is a field that the gate itself sets")
        yield name, value
