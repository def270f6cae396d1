"""Grants as people write them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.model import Action, Grant, Narrowing, ObjectKind
from headgate.policy import GrantError, parse_grant, write_grant
from tests.support.grants import grants

EXPERIMENT, MODEL = ObjectKind.EXPERIMENT, ObjectKind.MODEL
CLAUSES = ", 'in workspace NAME', 'in upstream NAME', 'on experiment PATTERN' or 'on model PATTERN'"
WORDS = ("read:runs", "*:models", "on", "experiment", "model", "in", "upstream", "workspace")


@pytest.mark.parametrize(
    ("text", "grant"),
    [
        ("read:runs", Grant(Action.READ, "runs")),
        ("*:*", Grant(None, None)),
        ("administer:*", Grant(Action.ADMINISTER, None)),
        ("*:logged-models", Grant(None, "logged-models")),
        (
            "write:runs on experiment team-a/*",
            Grant(Action.WRITE, "runs", Narrowing(EXPERIMENT, "team-a/*")),
        ),
        (
            "delete:models on model fraud-?",
            Grant(Action.DELETE, "models", Narrowing(MODEL, "fraud-?")),
        ),
        (
            'read:runs on experiment "Team A/*" in upstream lab in workspace "w 1"',
            Grant(Action.READ, "runs", Narrowing(EXPERIMENT, "Team A/*"), "lab", "w 1"),
        ),
        ("read:runs in workspace w1", Grant(Action.READ, "runs", workspace="w1")),
        ("read:ui in upstream lab", Grant(Action.READ, "ui", upstream="lab")),
        ("  read:runs   in upstream\tlab ", Grant(Action.READ, "runs", upstream="lab")),
        ("read:runs on experiment in", Grant(Action.READ, "runs", Narrowing(EXPERIMENT, "in"))),
        (
            "read:runs on experiment Ame\u0301lie",
            Grant(Action.READ, "runs", Narrowing(EXPERIMENT, "Am\u00e9lie")),
        ),
    ],
)
def test_what_a_grant_says(text: str, grant: Grant) -> None:
    assert parse_grant(text) == grant


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "expected ACTION:FAMILY, found the end"),
        ("   ", 1, "expected ACTION:FAMILY, found the end"),
        ("runs", 1, "expected ACTION:FAMILY, such as read:runs, found 'runs'"),
        ('"read:runs"', 1, "expected ACTION:FAMILY, such as read:runs"),
        ("wirte:runs", 1, "found 'wirte'; did you mean 'write'?"),
        ("Read:runs", 1, "expected an action (read, write, delete, administer or *)"),
        (":runs", 1, "expected an action"),
        ("read:", 6, "expected a family"),
        ("read:run", 6, "found 'run'; did you mean 'runs'?"),
        ("read: runs", 6, "expected a family"),
        ("read:runs,metrics", 6, "expected a family"),
        ("read:runs experiment x", 11, f"expected the end{CLAUSES}, found 'experiment'"),
        ("read:runs on", 13, "expected 'experiment' or 'model', found the end"),
        ('read:runs on "experiment" x', 14, "expected 'experiment' or 'model', found 'experim"),
        ('read:runs "on" experiment x', 11, f"expected the end{CLAUSES}, found 'on'"),
        ("read:runs on run x", 14, "expected 'experiment' or 'model', found 'run'"),
        ("read:runs on experiment", 24, "expected a pattern of names, such as team-a/*, found"),
        ('read:runs on experiment ""', 25, "expected a pattern of names, such as team-a/*, of 1"),
        (f"read:runs on experiment {'x' * 501}", 25, "of 1 to 500 printable characters"),
        ("read:runs on experiment a\u202eb", 25, "printable characters"),
        ("read:runs on experiment Team A", 30, "found 'A'"),
        ('read:runs on experiment "Team A', 25, "expected a word, or one in double quotes"),
        ('read:runs on experiment Team"A"', 25, "expected a word, or one in double quotes"),
        ('read:runs on experiment "Team"A', 25, "expected a word, or one in double quotes"),
        ("read:runs on model x", 11, "runs cannot be narrowed to models; these can: models, art"),
        ("read:models on experiment x", 13, "models cannot be narrowed to experiments; these can"),
        ("*:webhooks on experiment x", 12, "webhooks cannot be narrowed to experiments"),
        ("read:runs in", 11, f"expected the end{CLAUSES}, found 'in'"),
        ("read:runs in upstream", 22, "expected the name of an upstream, found the end"),
        ("read:runs in workspace", 23, "expected the name of a workspace, found the end"),
        ("read:gate in upstream lab", 11, "gate is the same for every upstream"),
        ("administer:jobs in workspace w", 17, "jobs belongs to no workspace"),
        (
            "read:runs in upstream a on experiment x",
            25,
            "expected the end or 'in workspace NAME', found 'on'",
        ),
        ("read:runs in workspace a in upstream b", 26, "expected the end, found 'in'"),
        ("read:runs in upstream a in upstream b", 25, "expected the end or 'in workspace NAME'"),
    ],
)
def test_where_a_text_stops_being_a_grant(text: str, column: int, message: str) -> None:
    with pytest.raises(GrantError) as caught:
        parse_grant(text)
    assert caught.value.column == column
    assert str(caught.value).startswith(f"column {column}: ")
    assert message in str(caught.value)


@given(grants())
def test_a_grant_is_read_as_it_was_written(grant: Grant) -> None:
    assert parse_grant(write_grant(grant)) == grant


def read(text: str) -> Grant | GrantError:
    try:
        return parse_grant(text)
    except GrantError as error:
        return error


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from([*WORDS, '"a b"', "team/*", '"', " "]), max_size=8).map(" ".join)
)
def test_any_text_is_a_grant_or_an_error_of_one_line(text: str) -> None:
    """And what is a grant is written with the same words."""
    found = read(text)
    if isinstance(found, GrantError):
        assert 1 <= found.column <= len(text) + 1
        assert "\n" not in str(found)
    else:
        assert write_grant(found).split() == unicodedata.normalize("NFC", text).split()
