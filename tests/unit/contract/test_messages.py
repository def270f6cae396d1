"""JSON is read as messages as protocol buffers read it, or it is refused."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.json_format import MessageToDict, ParseDict
from hypothesis import given
from hypothesis import strategies as st

from headgate.contract.messages import Field, Message, build, joined
from headgate.contract.snapshots import messages_of
from headgate.wire.errors import ProtocolError
from tests.support.mlflow_versions import CURRENT

MODULES = ("service_pb2", "model_registry_pb2", "mlflow_artifacts_pb2", "webhooks_pb2")


TYPES = messages_of(CURRENT)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.sampled_from([0, 1, 2**31, 2**63, 1.0, 1.5, 1e308, 10**400, float("nan"), float("inf")]),
    st.sampled_from(["", "1", "-1", "1.0", "1e3", "NaN", "nan", "Infinity", "1_0", " 1", "true"]),
    st.sampled_from(["2025-04-15T08:49:18.699Z", "2025-02-30T00:00:00Z", "2025-04-15T08:49:18Z"]),
    st.sampled_from(["1.5s", "5", "name,tags", "a_b", "YQ==", "YQ", "Y", "\ud800", "é", "[a.b]"]),
    st.text(max_size=3),
)
junk = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


def values(known: Field, depth: int) -> st.SearchStrategy[Any]:
    """Values that may fit a field, and some that do not."""
    single: st.SearchStrategy[Any] = scalars
    if known.message is not None and depth:
        single = objects(known.message, depth - 1)
    elif known.kind == "string":
        single = st.text(max_size=3)
    elif known.kind == "enum":
        single = st.sampled_from([*known.values, *known.values.values(), "NOPE", "1"])
    elif known.kind in ("Value", "Struct", "ListValue"):
        single = junk
    elif known.kind == "bool":
        single = st.booleans()
    elif "int" in known.kind or "fixed" in known.kind:
        single = st.integers(-3, 3)
    if known.is_map:
        single = st.dictionaries(st.text(max_size=3), single, max_size=2)
    elif known.repeated:
        single = st.lists(single, max_size=2)
    return st.one_of(single, single, single, junk)


def objects(message: Message, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that resemble a message."""
    if not message.fields:
        return st.just({})

    @st.composite
    def one(draw: st.DrawFn) -> dict[str, Any]:
        names = st.sampled_from(sorted(message.fields))
        others = st.sampled_from(["unknown", "[a.b]", "[]", "[a]b"])
        found = {}
        for name in draw(st.lists(st.one_of(names, names, names, names, others), max_size=5)):
            known = message.fields.get(name)
            found[name] = draw(junk if known is None else values(known, depth))
        return found

    return one()


def real(name: str) -> Any:
    """An empty message of a type of the installed MLflow's."""
    for module in MODULES:
        importlib.import_module(f"mlflow.protos.{module}")
    found = descriptor_pool.Default().FindMessageTypeByName(name)
    return message_factory.GetMessageClass(found)()


@given(st.sampled_from(sorted(TYPES)), st.data())
def test_what_is_read_strictly_is_all_read_by_mlflow(name: str, data: st.DataObject) -> None:
    message = TYPES[name]
    sent = data.draw(objects(message, 3))
    try:
        read = message.read(sent, strict=True)
    except ProtocolError:
        return
    parsed = ParseDict(sent, real(name), ignore_unknown_fields=True)  # raises nothing
    told = MessageToDict(parsed, preserving_proto_field_name=True)
    assert set(texts(read, message)) == set(texts(told, message))


def texts(value: dict[str, Any], message: Message, path: str = "") -> Iterator[tuple[str, str]]:
    """The texts, which are what ids are, in fields of that type, with their places."""
    for name, inner in value.items():
        known = message.fields[name]
        for item in inner if isinstance(inner, list) else [inner]:
            if known.kind == "string" and not known.is_map and item:
                yield f"{path}.{name}", item
            elif known.message is not None and not known.is_map and item is not None:
                yield from texts(item, known.message, f"{path}.{name}")


def test_a_type_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(ValueError, match="is no type"):
        build({"A": {"a": "no type"}}, {})


def test_fields_of_one_name_have_one_type() -> None:
    """Where one handler reads two messages, or two versions of MLflow differ."""
    one, other = build({"A": {"a": "string"}, "B": {"a": "int32"}}, {}).values()
    with pytest.raises(ValueError, match="two types"):
        joined([one, other])


def test_what_a_handler_reads_by_itself_has_no_second_spelling() -> None:
    both = joined(build({"A": {"run_id": "string"}}, {}).values(), ["model_id"])
    assert both is not None
    assert both.read({"runId": "1", "model_id": ["any"]}, strict=True) == {
        "run_id": "1",
        "model_id": ["any"],
    }
    with pytest.raises(ProtocolError, match="write model_id exactly so"):
        both.read({"modelId": 1}, strict=True)


SMALL = build(
    {
        "Outer": {
            "run_id": "string/which",
            "run_name": "string/which",
            "inner": "message Inner",
            "experiment_id": "string",
            "tags": "string{}",
        },
        "Inner": {"outer": "message Outer", "names": "string[]"},
        "Other": {"run_id": "int64"},
        "Without": {"inner": "string"},
    },
    {},
)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"[a.b]": 1}, "named like an extension"),
        ({"run_id": "a", "runId": "b"}, "given in two spellings"),
        ({"run_id": "a", "run_name": "b"}, "excludes it"),
        ({"RunId": "a"}, "in a spelling that MLflow ignores"),
        ({"inner": {"names": "a"}}, "no list"),
        ({"inner": 1}, "that is no"),
        ({"experiment_id": None}, "a experiment_id that is null"),
    ],
)
def test_a_message_that_mlflow_would_not_read_whole(body: dict[str, Any], message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        SMALL["Outer"].read(body, strict=True)


def test_an_unknown_name_is_left_out_however_long_it_is() -> None:
    assert SMALL["Outer"].read({"x" * 10_000: 1, "y": 2}, strict=True) == {}


def test_types_that_read_alike() -> None:
    """Types may hold themselves; those of another version are other objects."""
    same = build(
        {
            "Outer": {
                "run_id": "string/which",
                "run_name": "string/which",
                "inner": "message Inner",
                "experiment_id": "string",
                "tags": "string{}",
            },
            "Inner": {"outer": "message Outer", "names": "string[]"},
        },
        {},
    )
    assert SMALL["Outer"].reads_as(same["Outer"], set())
    assert SMALL["Outer"].reads_as(SMALL["Outer"], set())
    assert not SMALL["Outer"].reads_as(SMALL["Other"], set())
    assert not SMALL["Other"].reads_as(build({"Other": {"run_id": "string"}}, {})["Other"], set())
    whole, single = joined([SMALL["Other"]]), joined([SMALL["Outer"], SMALL["Inner"]])
    assert whole is SMALL["Other"]
    assert single is not None
    assert set(single.fields) >= {"run_id", "names"}


def test_a_map_is_read_value_by_value() -> None:
    assert SMALL["Outer"].read({"tags": {"a": "b"}}, strict=True) == {"tags": {"a": "b"}}
    with pytest.raises(ProtocolError, match="a tags that is no"):
        SMALL["Outer"].read({"tags": {"a": 1}}, strict=True)
