"""Documents hold to every rule of the embedded metric format, whatever values there are."""

from __future__ import annotations

import math
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.telemetry.emf_documents import Datum, Unit, dimension_value, documents
from headgate.telemetry.line_sink import PIPE_BATCH
from tests.support.emf import UNITS, checked, extracted

NOW = 1_796_000_000.123

NAMES = st.from_regex(r"[A-Z][A-Za-z]{0,40}", fullmatch=True)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63)


@st.composite
def datum(draw: st.DrawFn) -> Datum:
    dimensions = draw(
        st.dictionaries(st.sampled_from(["Service", "Upstream"]), st.text(), max_size=2)
    )
    values = st.lists(NUMBERS, min_size=1, max_size=700)
    return Datum(draw(NAMES), draw(st.sampled_from(Unit)), dimensions, draw(values))


def key(each: Datum) -> tuple[object, ...]:
    return each.name, *sorted(
        (name, dimension_value(text)) for name, text in each.dimensions.items()
    )


@given(data=st.lists(datum(), max_size=150, unique_by=key))
def test_every_value_is_in_one_document_within_the_limits(data: list[Datum]) -> None:
    """And each line is one that a pipe takes whole."""
    written: defaultdict[tuple[object, ...], list[float]] = defaultdict(list)
    for document in documents("Headgate", data, NOW):
        assert document.endswith(b"\n")
        assert len(document) <= PIPE_BATCH
        for sample in extracted([checked(document[:-1])]):
            written[sample.name, *sample.dimensions].extend(sample.values)
    assert written == {key(each): list(each.values) for each in data}


def test_a_document_has_at_most_a_hundred_metrics() -> None:
    data = [Datum(f"M{at}", Unit.COUNT, {"Service": "s"}, (1,)) for at in range(250)]
    found = [checked(each[:-1]) for each in documents("N", data, NOW, longest=100_000)]
    assert [len(each["_aws"]["CloudWatchMetrics"][0]["Metrics"]) for each in found] == [
        100,
        100,
        50,
    ]


def test_what_is_not_finite_is_left_out() -> None:
    data = [
        Datum("Some", Unit.SECONDS, {"Service": "s"}, (math.nan, 1.5, math.inf)),
        Datum("None", Unit.SECONDS, {"Service": "s"}, (-math.inf,)),
    ]
    (document,) = documents("N", data, NOW)
    found = list(extracted([checked(document[:-1])]))
    assert [(each.name, each.values) for each in found] == [("Some", (1.5,))]


@pytest.mark.parametrize(
    ("stamp", "milliseconds", "text"),
    [
        (NOW, 1_796_000_000_123, "2026-11-30T00:53:20.123Z"),
        (0.0, 0, "1970-01-01T00:00:00.000Z"),
        (-5.0, 0, "1970-01-01T00:00:00.000Z"),  # a clock that was never set
        (4_102_444_800.0, 4_102_444_800_000, "2100-01-01T00:00:00.000Z"),
    ],
)
def test_the_stamp_is_whole_milliseconds(stamp: float, milliseconds: int, text: str) -> None:
    (document,) = documents("N", [Datum("A", Unit.COUNT, {"Service": "s"}, (1,))], stamp)
    found = checked(document[:-1])
    assert (found["_aws"]["Timestamp"], found["time"]) == (milliseconds, text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("default", "default"),
        ("Straße 1", "Stra_e 1"),
        ("a\nb\x00", "a_b_"),
        (":x", "_x"),
        ("", "none"),
        ("   ", "none"),
        ("x" * 2000, "x" * 255),
    ],
)
def test_a_dimension_is_plain_text(text: str, value: str) -> None:
    assert dimension_value(text) == value


def test_every_unit_is_one_of_cloudwatchs() -> None:
    assert {each.value for each in Unit} <= set(UNITS)
    assert len(set(UNITS)) == 27
