"""What the pages about CloudWatch say is so."""

from __future__ import annotations

import json
import re
import tomllib

from docs.reference_pages import cloudwatch
from headgate.config import load
from headgate.telemetry.emf_selection import SELECTION, metric_count
from tests.support.cloudwatch_files import VALUES, alarms
from tests.support.emf import checked, extracted
from tests.support.recipes import blocks, text

HOW_TO = "watch-in-cloudwatch"


def test_the_configuration_turns_it_on() -> None:
    (block,) = blocks(HOW_TO, "toml")
    config = load(None, {}, tomllib.loads(block))
    assert config.telemetry.cloudwatch.enabled


def test_the_document_that_is_shown_is_one_that_can_be_written() -> None:
    shown = next(each for each in blocks(HOW_TO, "json") if "_aws" in each)
    names = {"Heartbeat", *(each.name for each in SELECTION)}
    samples = list(extracted([checked(shown.strip().encode())]))
    assert samples
    assert {each.name for each in samples} <= names


def test_the_log_driver_is_set_up_without_what_joins_lines() -> None:
    shown = next(each for each in blocks(HOW_TO, "json") if "logDriver" in each)
    options = json.loads("{" + shown + "}")["logConfiguration"]["options"]
    assert options["awslogs-group"] == VALUES["log_group"]
    assert not {"awslogs-datetime-format", "awslogs-multiline-pattern"} & set(options)


def test_the_numbers_of_metrics_are_those_of_the_selection() -> None:
    said = re.search(r"one upstream has\nat most (\d+), with two (\d+)", text(HOW_TO))
    assert said is not None
    assert [int(each) for each in said.groups()] == [metric_count(1), metric_count(2)]


def test_every_metric_alarm_and_query_is_on_the_reference_page() -> None:
    page = cloudwatch.page()
    assert all(f"| `{each.name}` |" in page for each in SELECTION)
    for alarm in alarms():
        assert f"[`{alarm['AlarmName'].split('-')[0]}" in page


def test_the_sums_are_those_of_the_parts() -> None:
    row = r"^\| (\d+) \| (\d+) \| ([\d.]+) \| (\d+) \| ([\d.]+) \|$"
    rows = re.findall(row, cloudwatch.page(), re.MULTILINE)
    assert [int(row[0]) for row in rows] == [1, 2, 4]
    for upstreams, metrics, dollars, looked, more in rows:
        assert int(metrics) == metric_count(int(upstreams))
        assert float(dollars) == round(int(metrics) * cloudwatch.METRIC_PRICE, 2)
        assert float(more) == round(int(looked) * cloudwatch.ALARM_PRICE, 2)
    looked_at = sum(
        max(1, sum("MetricStat" in each for each in alarm.get("Metrics", ()))) for alarm in alarms()
    )
    assert cloudwatch.alarm_metrics(1) == looked_at


def test_a_busy_minute_is_longer_than_a_quiet_one_and_far_below_a_log_events_limit() -> None:
    quiet, busy = (cloudwatch.minute_bytes(2, busy=each) for each in (False, True))
    assert 1_000 < quiet < 10_000 < busy < 100_000
