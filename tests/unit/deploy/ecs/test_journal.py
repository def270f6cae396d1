"""The journal of a service: read strictly, and never without the good revision."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.deploy.ecs.journal import (
    MAX_BYTES,
    MAX_HISTORY,
    Good,
    InProgress,
    Journal,
    JournalError,
    read,
)

NAME = "/headgate/c/s/journal"
TEXTS = st.text(max_size=60)
TIMES = st.floats(0, 4e9)
GOODS = st.builds(Good, st.text(min_size=1, max_size=60), TEXTS, TEXTS, TIMES)
JOURNALS = st.builds(
    Journal,
    st.none() | GOODS,
    st.none() | st.builds(InProgress, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TIMES),
    st.lists(GOODS, max_size=3).map(tuple),
)


def good(number: int, length: int = 10) -> Good:
    return Good(f"arn:gate:{number}", "i" * length, "arn:template:1", float(number))


@given(JOURNALS)
def test_a_journal_is_read_as_it_was_written(journal: Journal) -> None:
    found = read(journal.to_text(), NAME)
    assert (found.good, found.in_progress) == (journal.good, journal.in_progress)
    assert found.history == journal.history[: len(found.history)]


@given(JOURNALS, st.data())
def test_a_journal_with_a_member_more_or_less_is_refused_and_not_replaced(
    journal: Journal, data: st.DataObject
) -> None:
    document = json.loads(journal.to_text())
    name = data.draw(st.sampled_from(sorted(document)))
    document.pop(name)
    with pytest.raises(JournalError, match=name):
        read(json.dumps(document), NAME)


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", '"x"', "1", '{"version": 1}',
     '{"version": 2, "good": null, "in_progress": null, "history": []}',
     '{"version": 1, "good": null, "in_progress": null, "history": {}}',
     '{"version": 1, "good": [], "in_progress": null, "history": []}',
     ('{"version": 1, "good": {"revision": "", "image": "", "template": "", "since": 1}, '
     '"in_progress": null, "history": []}'),
     ('{"version": 1, "good": {"revision": "a", "image": "", "template": "", "since": true}, '
     '"in_progress": null, "history": []}'),
     ('{"version": 1, "good": {"revision": 1, "image": "", "template": "", "since": 1}, '
     '"in_progress": null, "history": []}')],
)  # fmt: skip
def test_an_unreadable_journal_says_how_to_go_on(text: str) -> None:
    with pytest.raises(JournalError) as caught:
        read(text, NAME)
    assert f"aws ssm get-parameter-history --name {NAME}" in str(caught.value)
    assert "headgate ecs rollback --to FAMILY:NUMBER" in str(caught.value)


def test_there_is_none_before_the_first_deployment() -> None:
    assert read(None, NAME) == Journal()


def test_the_good_revision_before_goes_to_the_history_each_once() -> None:
    journal = Journal()
    for number in (1, 2, 3, 2):
        journal = journal.with_good(good(number))
    assert journal.good == good(2)
    assert [each.revision for each in journal.history] == ["arn:gate:3", "arn:gate:1"]
    for number in range(10, 40):
        journal = journal.with_good(good(number))
    assert len(journal.history) == MAX_HISTORY


def test_the_oldest_of_the_history_go_if_a_parameter_cannot_hold_them() -> None:
    journal = Journal(good(9, 300), None, tuple(good(number, 900) for number in range(8, 0, -1)))
    text = journal.to_text()
    assert len(text.encode()) <= MAX_BYTES
    found = read(text, NAME)
    assert found.good == journal.good
    assert found.history == journal.history[:3]


def test_a_journal_that_does_not_fit_is_not_written() -> None:
    with pytest.raises(JournalError, match="4096"):
        Journal(good(1, 5000)).to_text()


def test_what_is_in_progress_leaves_the_good_revision() -> None:
    begun = InProgress("deploy", "", "", "lock", "arn:op", 1.0)
    journal = Journal(good(1)).begin(begun)
    assert (journal.good, journal.in_progress) == (good(1), begun)
    assert journal.end() == Journal(good(1))
