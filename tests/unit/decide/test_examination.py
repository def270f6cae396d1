"""What is known of a body before it is parsed, and what is said of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.config import Shields
from headgate.config.shields import ShieldRule
from headgate.contract import table
from headgate.decide import examination as room
from headgate.decide.examination import examine, is_small, too_large
from headgate.decide.judgement import MAX_MENTIONS
from headgate.model import Operation
from headgate.reasons import Reason
from headgate.shields import Shield

OPERATIONS = {row.operation.name: row.operation for row in table().rows}
LOG, CREATE = OPERATIONS["runs/log-batch"], OPERATIONS["experiments/create"]
VERSION = OPERATIONS["model-versions/create"]
SHIELD = Shield(Shields())
V = "3.17.2"
JSON = {b"content-type": b"application/json"}

texts = st.text(max_size=5) | st.sampled_from([",", ":", "[", '"', "\\", "{", "é"])
messages = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=30,
)


def values_in(message: Any) -> int:
    inner = message.values() if isinstance(message, dict) else message
    return 1 + (sum(map(values_in, inner)) if isinstance(message, dict | list) else 0)


@given(messages, st.booleans())
def test_no_body_has_more_values_than_are_counted(message: Any, escaped: bool) -> None:
    body = json.dumps(message, ensure_ascii=escaped).encode()
    assert values_in(message) <= room._most_values(body)
    assert values_in(message) <= room._most_values(room._TEXT.sub(b"", body))


@given(messages)
def test_what_stands_in_texts_is_no_value(message: Any) -> None:
    body = json.dumps(json.dumps(message)).encode()
    assert room._most_values(room._TEXT.sub(b"", body)) == 1


@given(st.binary(max_size=40) | st.lists(st.sampled_from([b'"', b"\\", b"a"])).map(b"".join))
def test_texts_are_left_out_in_one_pass(body: bytes) -> None:
    """No quote is looked at twice, although the last text may lack its end."""
    assert b'"' not in room._TEXT.sub(b"", body)


@pytest.mark.parametrize(
    ("body", "small"),
    [
        (b"{}", True),
        (b'{"a":"' + b"x" * 200_000 + b'"}', True),
        (b'{"a":"' + b"x" * 300_000 + b'"}', False),
        (b"[" + b"1," * 19_000 + b"1]", True),
        (b"[" + b"1," * 21_000 + b"1]", False),
        (b'{"a":"' + b"," * 21_000 + b'"}', False),
    ],
)
def test_small_is_what_the_loop_can_read(body: bytes, small: bool) -> None:
    assert is_small(LOG, V, SHIELD, body) is small


def test_less_is_small_where_a_shield_reads_each_text() -> None:
    body = b'{"a":"' + b"x" * 100_000 + b'"}'
    assert is_small(LOG, V, SHIELD, body)
    assert not is_small(CREATE, V, SHIELD, body)


@pytest.mark.parametrize(
    ("operation", "body", "limit"),
    [
        ("runs/log-batch", b" " * 1_000_001, "1,000,000 bytes"),
        ("runs/log-batch", b"[" + b"1," * 50_001 + b"1]", "50,000 JSON values"),
        ("runs/log-inputs", b"[" + b"1," * 200_001 + b"1]", "200,000 JSON values"),
        ("graphql", b" " * 600_000, "524,288 bytes"),
    ],
)
def test_a_refusal_of_a_large_body_names_its_limit(operation: str, body: bytes, limit: str) -> None:
    refusal = too_large(OPERATIONS[operation], body)
    assert refusal is not None
    assert (refusal.reason, refusal.code) == (Reason.BODY_TOO_LARGE, 413)
    assert limit in refusal.message


def test_a_long_text_is_not_many_values() -> None:
    assert too_large(LOG, json.dumps({"profile": "a, " * 300_000}).encode()) is None


def test_objects_are_found_once() -> None:
    body = json.dumps({"run_id": "1", "metrics": [{"run_id": "2"}] * 1000}).encode()
    finding = examine(LOG, V, b"", LOG.objects, SHIELD, JSON, body)
    assert finding.refusal is None
    assert sorted((field.name, value) for field, value in finding.readings[0]) == [
        ("metrics[].run_id", "2"),
        ("run_id", "1"),
    ]


@pytest.mark.parametrize("source", ["dummy-source", "prompt-template"])
def test_a_prompt_names_no_location(source: str) -> None:
    body = json.dumps({"name": "a", "source": source}).encode()
    finding = examine(VERSION, V, b"", VERSION.objects, SHIELD, JSON, body)
    assert [(field.name, value) for field, value in finding.readings[0]] == [("name", "a")]


@pytest.mark.parametrize(
    ("operation", "field", "value"),
    [
        (VERSION, "source", "dummy-source/.."),
        (VERSION, "source", "Dummy-source"),
        (CREATE, "artifact_location", "dummy-source"),
    ],
)
def test_what_no_prompt_holds_is_a_location(operation: Operation, field: str, value: str) -> None:
    body = json.dumps({"name": "a", field: value}).encode()
    shield = Shield(Shields(disabled=(ShieldRule.STORED_LOCATION,)))
    finding = examine(operation, V, b"", operation.objects, shield, JSON, body)
    assert (field, value) in [(each.name, value) for each, value in finding.readings[0]]


def test_no_more_objects_are_given_on_than_tell_that_there_are_too_many() -> None:
    body = json.dumps({"metrics": [{"run_id": str(number)} for number in range(5000)]}).encode()
    assert (
        len(examine(LOG, V, b"", LOG.objects, SHIELD, JSON, body).readings[0]) == MAX_MENTIONS + 1
    )
