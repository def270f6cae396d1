"""The table of alerts and the runbook say the same."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from headgate.reasons import Reason
from tools.links import problems
from tools.observability import objectives
from tools.observability.alerts import ALERTS, BURNING, RUNBOOK, Alert, Severity

ROOT = Path(__file__).parents[4]


def test_names_come_once() -> None:
    assert len({each.name for each in ALERTS}) == len(ALERTS)


def test_the_runbook_has_a_section_for_each_alert_in_their_order_and_no_other() -> None:
    text = (ROOT / RUNBOOK).read_text(encoding="utf-8")
    assert re.findall(r"^### (Headgate\w+)$", text, re.MULTILINE) == [each.name for each in ALERTS]


def test_alerts_name_anchors_that_exist(tmp_path: Path) -> None:
    runbook = tmp_path / RUNBOOK
    runbook.parent.mkdir(parents=True)
    shutil.copy(ROOT / RUNBOOK, runbook)
    page = tmp_path / "page.md"
    page.write_text("".join(f"[{each.name}]({each.runbook})\n" for each in ALERTS))
    assert list(problems([page], tmp_path)) == []


@pytest.mark.parametrize("alert", ALERTS, ids=lambda each: each.name)
def test_an_alert_says_in_a_line_what_is_wrong_and_in_sentences_what_follows(alert: Alert) -> None:
    assert re.fullmatch(r"[A-Z1-9].{15,95}[^.]", alert.summary)
    assert re.fullmatch(r"[A-Z].{20,}\.", alert.meaning)


def test_each_budget_has_an_alert_that_pages_and_one_that_does_not() -> None:
    for (_, severity), alert in BURNING.items():
        assert alert.severity is severity
    assert set(BURNING.values()) <= set(ALERTS)
    assert {severity for _, severity in BURNING} == set(Severity)


def test_each_reason_but_ok_is_in_one_of_the_lists() -> None:
    listed = (
        *(objectives.GATE_FAULTS + objectives.MLFLOW_FAULTS + objectives.CLIENT_FAULTS),
        *objectives.ASKED_FOR,
    )
    assert sorted(listed) == sorted(each.value for each in Reason if each is not Reason.OK)
