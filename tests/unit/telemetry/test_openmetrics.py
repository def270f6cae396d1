"""OpenMetrics is sent to who asks for it; its exemplars lead to traces."""

from __future__ import annotations

import math
import os
import re
import signal
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric as Family
from prometheus_client import parser as plain_parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from headgate.model import FAMILIES, SpanContext
from headgate.reasons import Reason
from headgate.telemetry import openmetrics, prometheus
from headgate.telemetry.counters import Counters
from headgate.telemetry.exemplars import Exemplars
from headgate.telemetry.exposition import exposition, prefers_openmetrics
from headgate.telemetry.metrics import (
    EJECTIONS,
    ENDPOINTS_IN_SERVICE,
    FAMILY,
    FIRST_BYTE,
    METRICS,
    REQUEST_DURATION,
    Kind,
)
from tests.support.outcomes import an_outcome

TRACE_ID, SPAN_ID = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
SAMPLED = SpanContext(TRACE_ID, b"", SPAN_ID, sampled=True)


def read_text(page: str) -> list[Family]:
    """By the parser of Prometheus' own library."""
    return list(plain_parser.text_string_to_metric_families(page))


def read_openmetrics(page: str) -> list[Family]:
    """By the parser of Prometheus' own library."""
    return list(openmetrics_parser.text_string_to_metric_families(page))  # type: ignore[no-untyped-call]


def used() -> Counters:
    """Counters with something in most series."""
    counters = Counters(2)
    for at, family in enumerate(("", *FAMILIES)):
        reason = list(Reason)[at]
        outcome = an_outcome(family=family, reason=reason, status=reason.status, trace=SAMPLED)
        counters.row(at % 2).count(outcome)
    counters.row(0).add(EJECTIONS, "default")
    return counters


def openmetrics_page(counters: Counters) -> str:
    return "".join(openmetrics.exposition(counters))


def test_prometheus_own_parsers_read_both_pages_and_find_the_same() -> None:
    counters = used()
    plain = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in read_text("".join(prometheus.exposition(counters)))
        for sample in family.samples
    }
    opened = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in read_openmetrics(openmetrics_page(counters))
        for sample in family.samples
    }
    assert plain == opened
    assert plain


def test_names_kinds_units_and_the_end_are_those_of_openmetrics() -> None:
    page = openmetrics_page(used())
    assert page.endswith("# EOF\n")
    families = {each.name: each for each in read_openmetrics(page)}
    for metric in METRICS:
        name = metric.name.removesuffix("_total") if metric.kind is Kind.COUNTER else metric.name
        assert families[name].type == metric.kind.value
        assert families[name].documentation == metric.text
        unit = families[name].unit
        assert unit in ("", "seconds", "bytes")
        assert name.endswith(unit)


def test_a_sampled_request_is_the_exemplar_of_its_buckets() -> None:
    counters = Counters(2)
    counters.row(1).count(
        an_outcome(family="runs", duration=0.3, first_byte_after=0.02, trace=SAMPLED)
    )
    counters.row(0).count(an_outcome(family="runs", duration=3.0))
    found = {
        (sample.name, sample.labels["le"]): sample.exemplar
        for family in read_openmetrics(openmetrics_page(counters))
        for sample in family.samples
        if sample.exemplar
    }
    assert set(found) == {
        (f"{REQUEST_DURATION.name}_bucket", "0.5"),
        (f"{FIRST_BYTE.name}_bucket", "0.025"),
    }
    exemplar = found[f"{REQUEST_DURATION.name}_bucket", "0.5"]
    assert exemplar.labels == {"trace_id": TRACE_ID.decode(), "span_id": SPAN_ID.decode()}
    assert exemplar.value == pytest.approx(0.3)
    assert exemplar.timestamp


@pytest.mark.parametrize(
    "trace", [None, SpanContext(TRACE_ID, SPAN_ID), SpanContext(TRACE_ID, b"", SPAN_ID)]
)
def test_a_trace_that_is_not_exported_is_no_exemplar(trace: SpanContext | None) -> None:
    counters = Counters(1)
    counters.row(0).count(an_outcome(trace=trace))
    assert " # {" not in openmetrics_page(counters)


def test_plain_text_has_no_exemplars() -> None:
    assert " # {" not in "".join(prometheus.exposition(used()))


def test_the_latest_of_a_bucket_is_kept_whichever_process_saw_it() -> None:
    counters = Counters(2)
    for worker, digit in ((0, b"1"), (1, b"2"), (0, b"3")):
        trace = SpanContext(digit * 32, b"", digit * 16, sampled=True)
        counters.row(worker).count(an_outcome(family="runs", duration=0.3, trace=trace))
    bucket = REQUEST_DURATION.bounds.index(0.5)
    found = counters.exemplars.get(REQUEST_DURATION, "runs", bucket)
    assert found is not None
    assert found.trace_id == "3" * 32


def test_no_exemplar_is_ever_a_mixture_of_two() -> None:
    """Two processes write one record as fast as they can, and are killed while they do."""
    exemplars = Exemplars()
    pids = []
    for digit in (b"a", b"b"):
        pid = os.fork()
        if pid == 0:
            keep_endlessly(exemplars, digit)
        pids.append(pid)
    bucket = REQUEST_DURATION.bounds.index(0.5)
    seen = 0
    while seen < 5000:
        found = exemplars.get(REQUEST_DURATION, FAMILY.values[1], bucket)
        if found is not None:
            seen += 1
            one = found.trace_id[0]
            assert found.trace_id == one * 32
            assert found.span_id == one * 16
            assert found.value == (0.3 if one == "a" else 0.4)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def keep_endlessly(exemplars: Exemplars, digit: bytes) -> NoReturn:
    """Write exemplars that all look alike."""
    trace = SpanContext(digit * 32, b"", digit * 16, sampled=True)
    outcome = an_outcome(duration=0.3 if digit == b"a" else 0.4)
    while True:
        exemplars.keep(1, trace, outcome)


@given(duration=st.floats(0, 1e5, exclude_min=True))
def test_an_exemplar_lies_within_its_bucket(duration: float) -> None:
    counters = Counters(1)
    counters.row(0).count(an_outcome(duration=duration, first_byte_after=0.0, trace=SAMPLED))
    (match,) = re.findall(r'le="([^"]+)"\} 1 # \{.*?\} (\S+) ', openmetrics_page(counters))
    bounds = (0.0, *REQUEST_DURATION.bounds, math.inf)
    at = bounds.index(float(match[0]))
    assert bounds[at - 1] - 1e-6 <= float(match[1]) <= bounds[at] + 1e-6


PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


@pytest.mark.parametrize(
    ("accept", "is_preferred"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("text/html,*/*;q=0.8", False),
        (PROMETHEUS_2, True),
        (PROMETHEUS_3, True),
        ("application/openmetrics-text", True),
        ("APPLICATION/OpenMetrics-Text; Version=1.0.0; Q=0.2", True),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;version=2.0.0", False),
        ("application/openmetrics-text;q=0.3, text/plain;q=0.7", False),
        ("application/openmetrics-text;q=0.7, text/plain;q=0.3", True),
        ("application/openmetrics-text;q=nonsense, text/plain", False),
        (",;,=;q=,", False),
    ],
)
def test_openmetrics_is_sent_to_who_prefers_it(accept: str, *, is_preferred: bool) -> None:
    assert prefers_openmetrics(accept) is is_preferred
    found = exposition(Counters(1), accept)
    wanted = openmetrics if is_preferred else prometheus
    assert found.content_type == wanted.CONTENT_TYPE
    assert "".join(found.parts).endswith("# EOF\n") is is_preferred


@given(accept=st.text(alphabet='aeinopq/*;,=.01 "tx-', max_size=60))
def test_any_accept_is_understood_in_some_way(accept: str) -> None:
    prefers_openmetrics(accept)


def test_the_name_of_an_upstream_is_escaped() -> None:
    counters = Counters(1)
    name = 'a "quoted"\\ name\n'
    counters.row(0).set(ENDPOINTS_IN_SERVICE, 2, name)
    for families in (
        read_text("".join(prometheus.exposition(counters))),
        read_openmetrics(openmetrics_page(counters)),
    ):
        labels = [
            sample.labels["upstream"]
            for family in families
            for sample in family.samples
            if sample.name == ENDPOINTS_IN_SERVICE.name
        ]
        assert labels == [name]
