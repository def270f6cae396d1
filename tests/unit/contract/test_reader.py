"""Queries and bodies are read by the names that MLflow reads, in no other spelling."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.sansio.request import Request as FlaskRequest

from headgate.contract import Reader, classify, table
from headgate.contract.messages import build, fold
from headgate.contract.query import is_empty, parameters
from headgate.reasons import Reason
from headgate.wire.errors import ProtocolError

READERS = {f"{row.method} {row.operation.name}": row.operation for row in table().rows}
PIECES = ("a", "é", "+", "%20", "%26", "%3D", "%C3%A9", "=", "&", "&&", "1", "[]", "_", "%00", "%")


def reader(method: str, path: str) -> Reader:
    operation = classify(method.encode(), path.encode())
    assert operation is not None
    return table().reader(operation)


SEARCH = reader("GET", "/api/3.0/mlflow/datasets/search")
BODY = reader("POST", "/api/3.0/mlflow/datasets/search")


def spellings(name: str) -> st.SearchStrategy[str]:
    """Names that are another one but for case, underscores, hyphens and brackets."""
    separators = st.lists(st.sampled_from(["", "_", "-", "__", ".", " "]), min_size=len(name) + 1)

    @st.composite
    def one(draw: st.DrawFn) -> str:
        letters = [draw(st.sampled_from([each, each.upper()])) for each in name.replace("_", "")]
        between = draw(separators)
        spelled = "".join(f"{a}{b}" for a, b in zip(letters, between, strict=False))
        return spelled + draw(st.sampled_from(["", "[]", "[0]"])).replace("0", "")

    return one()


@given(st.sampled_from(sorted(READERS)), st.data())
def test_a_spelling_never_counts_and_never_passes(route: str, data: st.DataObject) -> None:
    """Whatever folds to a known parameter is that one exactly, or refused."""
    known = table().reader(READERS[route])
    names = sorted(known.names)
    if not names:
        return
    name = data.draw(st.sampled_from(names))
    spelled = data.draw(spellings(name))
    query = b"?" + urlencode({spelled: "1"}).encode()
    if spelled in names:
        assert known.query(query) == {spelled: ["1"]}
        return
    assert fold(spelled) == fold(name)
    assert known.plain_query is not None
    assert known.plain_query.fullmatch(query) is None
    assert not query.startswith(known.lone_parameters)
    with pytest.raises(ProtocolError) as caught:
        known.query(query)
    assert caught.value.reason is Reason.REQUEST_AMBIGUOUS
    assert "write " in caught.value.message


@given(st.sampled_from(sorted(READERS)), st.data())
def test_a_spelling_of_a_field_never_counts(route: str, data: st.DataObject) -> None:
    known = table().reader(READERS[route])
    if not known.message.fields:
        return
    name = data.draw(st.sampled_from(sorted(known.message.fields)))
    spelled = data.draw(spellings(name))
    if spelled in known.message.fields:
        assert set(known.body({spelled: None})) == {known.message.fields[spelled].name}
        return
    with pytest.raises(ProtocolError):
        known.body({spelled: None})


@pytest.mark.parametrize(
    "query",
    ["?experiment_ids[]=1", "?ExperimentIds=1", "?experimentIds=1", "?experiment-ids=1"],
)
def test_what_mlflow_ignores_is_refused_with_the_cure(query: str) -> None:
    with pytest.raises(ProtocolError, match="write experiment_ids exactly so"):
        SEARCH.query(query.encode())


@pytest.mark.parametrize("name", ["ExperimentIds", "experiment-ids", "EXPERIMENT_IDS"])
def test_so_it_is_in_a_body(name: str) -> None:
    with pytest.raises(ProtocolError, match="write experiment_ids exactly so"):
        BODY.body({name: ["1"]})


@pytest.mark.parametrize("name", ["experiment_ids", "experimentIds"])
def test_a_body_may_use_the_json_name(name: str) -> None:
    assert BODY.body({name: ["1"]}, strict=True) == {"experiment_ids": ["1"]}


def test_a_field_may_not_stand_in_both_spellings() -> None:
    with pytest.raises(ProtocolError, match="two spellings"):
        BODY.body({"experiment_ids": ["1"], "experimentIds": ["2"]})


@pytest.mark.parametrize(
    "body",
    [
        {"max_results": "x", "experiment_ids": ["1"]},
        {"experiment_ids": ["1"], "max_results": True},
        {"experiment_ids": "1"},
        {"experiment_ids": [1]},
        {"experiment_ids": [None]},
        {"experiment_ids": ["\ud800"]},
        {"[a.b]": 1, "experiment_ids": ["1"]},
        {"max_results": 2**40},
        {"max_results": float("nan")},
    ],
)
def test_what_mlflow_would_read_in_part_is_refused(body: dict[str, object]) -> None:
    """It stops at the first value of a wrong type, and goes on with the fields before it."""
    with pytest.raises(ProtocolError, match="MLflow stops reading") as caught:
        BODY.body(body, strict=True)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    BODY.body(body)  # a key that is not narrowed leaves that to MLflow


def test_so_it_is_in_a_query() -> None:
    with pytest.raises(ProtocolError, match="MLflow stops reading"):
        SEARCH.query(b"?max_results=x&experiment_ids=1", strict=True)
    assert SEARCH.query(b"?max_results=5&experiment_ids=1", strict=True)["max_results"] == ["5"]


def test_what_mlflow_does_not_know_is_passed_over() -> None:
    assert SEARCH.query(b"?_=1&experiment_ids=1&experiment_ids=2") == {"experiment_ids": ["1", "2"]}
    assert BODY.body({"unknown": 1, "experiment_ids": []}) == {"experiment_ids": []}


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_a_query_is_split_as_flask_splits_it(text: str) -> None:
    query = text.encode("utf-8")
    try:
        read = list(parameters(b"?" + query))
    except ProtocolError:
        return
    assert is_empty(b"?" + query) is (not read)
    values: dict[str, list[str]] = {}
    for name, value in read:
        values.setdefault(name, []).append(value)
    assert values == _args(query).to_dict(flat=False)


def _args(query: bytes) -> Any:
    return FlaskRequest("GET", "http", ("localhost", 80), "", "/", query, None, None).args  # type: ignore[arg-type]


def test_readers_compare_by_what_they_read() -> None:
    operation = READERS["GET runs/get"]
    (first, *_) = table().readers(operation, "2.9.2")
    assert first.reads_as(first)
    assert not SEARCH.reads_as(BODY)
    assert table().reader(READERS["GET runs/get"]).is_message_of_get
    assert not BODY.is_message_of_get


@pytest.mark.parametrize(("value", "good"), [("true", True), ("FALSE", True), ("perhaps", False)])
def test_the_text_of_a_truth_value(value: str, good: bool) -> None:
    message = build({"A": {"deep": "bool", "n": "int32"}}, {})["A"]
    made = Reader(message, is_get=True)
    if good:
        assert made.query(f"?deep={value}&n=1".encode(), strict=True)["deep"] == [value]
        return
    with pytest.raises(ProtocolError, match="where MLflow stops reading"):
        made.query(f"?deep={value}".encode(), strict=True)
