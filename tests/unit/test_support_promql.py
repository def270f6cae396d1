"""The reader of PromQL finds each name in a query, and refuses what it does not understand."""

from __future__ import annotations

import pytest

from tests.support.declared_names import problems
from tests.support.promql import Matcher, QueryError, read


def test_metrics_with_their_conditions_functions_and_grouping() -> None:
    names = read(
        'histogram_quantile(0.99, sum by (job, le) (rate(a_bucket{x="1", y=~"b|c"}[5m]))) > 1.5e3\n'
        "and on (instance) count without (z) (b:c:d offset 1h)"
    )
    assert [use.metric for use in names.uses] == ["a_bucket", "b:c:d"]
    assert names.uses[0].matchers == [Matcher("x", "=", "1"), Matcher("y", "=~", "b|c")]
    assert names.functions == {"histogram_quantile", "sum", "rate", "count"}
    assert names.grouping == {"job", "le", "instance", "z"}


def test_what_is_in_strings_and_ranges_is_no_name() -> None:
    names = read('label_replace(up{job=~"$job"}, "a", "$1", "b", "(.*)")[$__range:1m]')
    assert [use.metric for use in names.uses] == ["up"]


@pytest.mark.parametrize("query", ["a ? b", "a{b}", "a{b=c}", "sum by a"])
def test_other_texts_are_refused(query: str) -> None:
    with pytest.raises((QueryError, ValueError, IndexError)):
        read(query)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("headgate_request_total", "no metric headgate_request_total"),
        ('headgate_requests_total{code="1"}', "headgate_requests_total has no label code"),
        ('headgate_requests_total{reason="okay"}', "headgate_requests_total has no reason=okay"),
        (
            'headgate_requests_total{reason!~"ok|okay"}',
            "headgate_requests_total has no reason=okay",
        ),
        (
            'headgate_requests_total{reason=~"ok.*"}',
            "headgate_requests_total: ok.* is no list of values",
        ),
        ("sum by (code) (headgate_requests_total)", "no label code"),
        ("headgate_requests_total_bucket", "no metric headgate_requests_total_bucket"),
        ("headgate_request_duration_seconds", "no metric headgate_request_duration_seconds"),
        ("job:headgate_slo_errors:ratio_rate7m", "no metric job:headgate_slo_errors:ratio_rate7m"),
        ('job:headgate_slo_errors:rate5m{budget="nobody"}', "has no budget=nobody"),
    ],
)
def test_names_that_nothing_provides_are_found(query: str, problem: str) -> None:
    assert any(problem in each for each in problems(query))


def test_names_that_are_provided_are_not() -> None:
    good = 'sum by (reason, job) (rate(headgate_requests_total{reason=~"ok|internal"}[5m]))'
    assert problems(good) == []
