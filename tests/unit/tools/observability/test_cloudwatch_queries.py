"""The queries for Logs Insights name fields that the logs have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import pytest

from headgate.events import EVENTS, field_names
from headgate.reasons import Reason
from headgate.telemetry.log_fields import ACCESS_FIELDS, EVENT_FIELDS
from tests.support.cloudwatch_files import filled, problems
from tools.observability import cloudwatch_queries

QUERIES: Final[list[Mapping[str, Any]]] = filled("cloudwatch-queries.json")
_WORDS: Final = frozenset(
    (
        *("fields", "filter", "sort", "stats", "limit", "by", "as", "asc", "desc", "or", "and"),
        *("ispresent", "count", "pct", "sum", "latest"),
    )
)


@pytest.mark.parametrize("query", QUERIES, ids=lambda each: each["name"])
def test_a_query_names_fields_of_the_logs(query: Mapping[str, Any]) -> None:
    assert problems("logs", "PutQueryDefinition", query) == ""
    text = re.sub(r'"[^"]*"', "", query["queryString"])
    made = set(re.findall(r" as (\w+)", text))
    words = set(re.findall(r"(?<![@.\w])[a-z][a-z_0-9]*", text)) - _WORDS - made
    fields = {each.name for each in (*ACCESS_FIELDS, *EVENT_FIELDS)}
    fields |= {name for kind in EVENTS for name in field_names(kind)}
    assert words <= fields
    assert set(re.findall(r"@\w+", text)) <= {"@timestamp", "@message"}


def test_commands_of_queries_are_those_of_logs_insights() -> None:
    commands = {each.split()[0] for lines in cloudwatch_queries.QUERIES.values() for each in lines}
    assert commands <= {"fields", "filter", "stats", "sort", "limit"}


def test_each_fault_that_a_query_asks_for_is_one() -> None:
    faults = {each.fault.value for each in Reason}
    text = "".join(each["queryString"] for each in QUERIES)
    assert set(re.findall(r'fault = "(\w+)"', text)) <= faults
