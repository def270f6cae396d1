"""Where requests may say that the data of a trace lie: nowhere but where MLflow has put them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.config import ShieldRule, Shields
from headgate.contract import classify, table
from headgate.contract.trace_tags import LOCATION_TAGS, fold, location_tags
from headgate.errors import Refusal
from headgate.shields import Shield
from headgate.shields.trace_locations import TraceLocation
from headgate.wire.errors import ProtocolError

SHIELD = Shield(Shields())
OFF = Shield(Shields(disabled=(ShieldRule.STORED_LOCATION,)))
TRACE = "tr-" + "0123456789abcdef" * 2
OWN = f"mlflow-artifacts:/1/traces/{TRACE}/artifacts"
START = "POST /api/3.0/mlflow/traces"
START_2 = "POST /api/2.0/mlflow/traces"
END = f"PATCH /api/2.0/mlflow/traces/{TRACE}"
TAGS = f"PATCH /api/3.0/mlflow/traces/{TRACE}/tags"


def places(
    route: str, message: dict[str, Any], *, shield: Shield = SHIELD, always: bool = False
) -> list[TraceLocation] | str:
    method, _, path = route.partition(" ")
    operation = classify(method.encode(), path.encode())
    assert operation is not None
    read = table().reader(operation).body(message)
    found = shield.trace_locations(operation, path.encode(), message, read, always=always)
    return found.detail if isinstance(found, Refusal) else found


def requests(tag: str, value: str, trace_id: str = TRACE) -> dict[str, dict[str, Any]]:
    """A tag in each kind of request that can set one."""
    location = {"mlflow_experiment": {"experiment_id": "1"}}
    info = {"trace_id": trace_id, "trace_location": location, "tags": {"a": "b", tag: value}}
    listed = [{"key": "a", "value": "b"}, {"key": tag, "value": value}]
    return {
        START: {"trace": {"trace_info": info}},
        START_2: {"experiment_id": "1", "tags": listed},
        END: {"timestamp_ms": 1, "status": "OK", "tags": listed},
        TAGS: {"key": tag, "value": value},
    }


ROUTES = [START, START_2, END, TAGS]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("mlflow.artifactLocation", "/etc"),
        ("mlflow.artifactLocation", ""),
        ("mlflow.artifactLocation", "mlflow-artifacts:/1/a"),
        ("mlflow.artifactLocation", f"/traces/{TRACE}/artifacts"),
        ("mlflow.artifactLocation", f"mlflow-artifacts:/2/traces/{TRACE[:-1]}0/artifacts"),
        ("mlflow.artifactLocation", f"mlflow-artifacts:/1/traces/{TRACE}/artifacts/../../x"),
        ("mlflow.artifactLocation", f"s3://other/1/traces/{TRACE}/artifacts"),
        ("mlflow.trace.archiveLocation", OWN),
        ("mlflow.trace.spansLocation", "ARCHIVE_REPO"),
        ("mlflow.trace.spansLocation", "ARTIFACT_REPO"),
    ],
)
def test_no_other_place_passes(route: str, tag: str, value: str) -> None:
    assert places(route, requests(tag, value)[route]) == "shield stored-location"


@pytest.mark.parametrize("route", ROUTES)
def test_other_tags_pass(route: str) -> None:
    for tag in ("reviewed", "mlflow.traceName", "artifactLocation", "mlflow.artifactLocation.x"):
        assert places(route, requests(tag, "/etc")[route]) == []
    assert places(route, requests("mlflow.trace.spansLocation", "TRACKING_STORE")[route]) == []


def test_a_trace_may_be_said_to_lie_in_its_own_place_which_mlflow_confirms() -> None:
    """Clients of MLflow 2 send the server's own value back when a trace ends."""
    of = requests("mlflow.artifactLocation", OWN)
    assert places(START, of[START]) == [TraceLocation(TRACE, "1", OWN)]
    assert places(END, of[END]) == [TraceLocation(TRACE, "", OWN)]
    assert places(TAGS, of[TAGS]) == [TraceLocation(TRACE, "", OWN)]
    assert places(START_2, of[START_2]) == "shield stored-location"  # it has no id yet


def test_a_body_names_no_other_trace_than_the_path() -> None:
    message = {"timestamp_ms": 1, "request_id": "tr-0", "tags": []}
    tag = {"key": "mlflow.artifactLocation", "value": "mlflow-artifacts:/1/traces/tr-0/artifacts"}
    assert places(END, {**message, "tags": [tag]}) == "shield stored-location"


def test_both_spellings_of_a_field_are_refused() -> None:
    message = requests("mlflow.artifactLocation", OWN)[START]
    message["trace"]["traceInfo"] = {"trace_id": "tr-1"}
    with pytest.raises(ProtocolError):
        places(START, message)


def test_switched_off_it_still_holds_for_narrowed_keys() -> None:
    message = requests("mlflow.artifactLocation", "/etc")[TAGS]
    assert places(TAGS, message, shield=OFF) == []
    assert places(TAGS, message, shield=OFF, always=True) == "shield stored-location"


@pytest.mark.parametrize(
    "name",
    [
        "MLFLOW.ARTIFACTLOCATION",
        "mlflow.artifactLocation  ",
        "mlflow.artifactLocati\u00f3n",
        "mlflow.artifact\u200bLocation",
        "mlflow.trace.archiveLocation\u0000",
        "\uff4dlflow.trace.spansLocation",
    ],
)
def test_what_a_lax_database_takes_for_the_tag_is_the_tag(name: str) -> None:
    """MySQL compares ``utf8mb4_0900_ai_ci``: then ``session.merge`` finds the real row."""
    for route, message in requests(name, "/etc").items():
        assert places(route, message) == "shield stored-location"


@given(
    st.recursive(
        st.text(max_size=4) | st.integers() | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
        max_leaves=12,
    ),
    st.sampled_from(["mlflow.artifactLocation", "mlflow.trace.archiveLocation"]),
    st.booleans(),
)
def test_a_tag_is_found_wherever_it_stands(around: Any, tag: str, as_map: bool) -> None:
    inner = {tag: "x"} if as_map else {"value": "x", "key": tag}
    for message in ({"a": [around, inner]}, [{"b": {"c": inner, "d": around}}]):
        assert [each.tag for each in location_tags(message)] == [fold(tag)]


def test_the_folded_names_are_those_of_mlflow() -> None:
    assert {fold(name) for name in LOCATION_TAGS} == LOCATION_TAGS
