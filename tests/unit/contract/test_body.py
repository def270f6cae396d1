"""JSON bodies are read in one way, or refused."""

from __future__ import annotations

import pytest

from headgate.contract.body import MAX_DEPTH, read_json, snake_case
from headgate.wire.errors import ProtocolError

JSON = {b"content-type": b"application/json; charset=utf-8"}


def test_an_object_is_read() -> None:
    assert read_json(b'\xef\xbb\xbf{"a": [1, {"b": null}]}', JSON) == {"a": [1, {"b": None}]}
    assert read_json(b"", {}) == {}


@pytest.mark.parametrize(
    ("body", "header", "message"),
    [
        (b"{}", {}, "must be sent as Content-Type"),
        (b"{}", {b"content-type": b"text/plain"}, "must be sent as Content-Type"),
        (b"{}", JSON | {b"content-encoding": b"gzip"}, "compressed"),
        (b'{"a": "\xff"}', JSON, "not UTF-8"),
        (b"{", JSON, "not JSON"),
        (b"[]", JSON, "must be a JSON object"),
        (b'{"a": 1, "a": 2}', JSON, "given more than once"),
        (b'{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", JSON, "nested more than"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", JSON, "nested more than"),
    ],
)
def test_what_could_be_read_otherwise_is_refused(
    body: bytes, header: dict[bytes, bytes], message: str
) -> None:
    with pytest.raises(ProtocolError, match=message):
        read_json(body, header)


def test_the_one_spelling_of_a_field() -> None:
    assert snake_case("experimentId") == snake_case("experiment_id") == "experiment_id"
    assert snake_case("aB" * 1000) == "aB" * 1000  # too long for any field
