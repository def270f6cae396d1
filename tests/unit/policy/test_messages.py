"""The sentences with which a key is denied."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.model import Grant, Operation
from headgate.policy import (
    Denied,
    NeedsObject,
    Roles,
    describe,
    evaluate,
    judge,
    write_grant,
)
from tests.support.grants import (
    asked,
    decided,
    grants,
    having,
    message,
    named_in,
    naming,
    operations,
    upstreams,
    workspaces,
)


@pytest.mark.parametrize(
    ("roles", "operation", "sentence"),
    [
        (
            ("viewer",),
            "registered-models/delete",
            "may read models but not delete them; ask the gate's operator for role publisher.",
        ),
        (
            ("writer",),
            "registered-models/create",
            "may read models but not write them; ask the gate's operator for role publisher.",
        ),
        (
            ("viewer",),
            "runs/create",
            "may read runs but not write them; ask the gate's operator for role writer.",
        ),
        (
            ("writer", "publisher"),
            "scorers/invoke",
            (
                "may read, write and delete scorers but not administer them; "
                "ask the gate's operator for role admin."
            ),
        ),
        (
            ("writer", "publisher"),
            "webhooks/create",
            "may not administer webhooks; ask the gate's operator for role admin.",
        ),
        (
            ("viewer",),
            "gateway/chat",
            "may read the AI gateway but not write it; ask the gate's operator for role llm-user.",
        ),
        (
            ("gone",),
            "runs/get",
            (
                "may not read runs, and the gate's configuration has no role 'gone'; "
                "ask the gate's operator for role viewer."
            ),
        ),
    ],
)
def test_a_denial_says_what_is_lacking_and_whom_to_ask(
    roles: tuple[str, ...], operation: str, sentence: str
) -> None:
    found = decided(Roles().grants_for("ci", roles), operation)
    assert message(found) == f"Headgate refused: your key 'ci' {sentence}"


def test_a_denial_does_not_tell_what_is_there() -> None:
    """Of another's run, one that is nobody's and one that is not, it says the same."""
    needs = asked(having("read:runs on experiment team-a/*"), "runs/get")
    for answer in (("team-b/secret",), (), None):
        assert message(judge(needs, naming(needs, run_id=answer))) == (
            "Headgate refused: your key 'ci' may read runs only in experiments called 'team-a/*', "
            "and run '01' is in none of them; ask the gate's operator for a role that covers it."
        )


def test_a_value_is_shown_harmless_and_short() -> None:
    needs = asked(having("read:models on model x"), "registered-models/get")
    shown = message(judge(needs, naming(needs, name="\x1b[31m\n" + "y" * 200)))
    assert shown.isprintable()
    assert "y" * 80 not in shown


def test_many_patterns_are_not_all_shown() -> None:
    key = having(*(f"read:runs on experiment team-{team}/*" for team in range(9)))
    needs = asked(key, "runs/get")
    assert "called 'team-0/*', 'team-1/*' or the like, and" in message(judge(needs, []))


@given(operations, st.lists(grants(), max_size=4), upstreams, workspaces, st.data())
def test_each_denial_is_one_sentence_with_its_cure(
    operation: Operation,
    given: list[Grant],
    upstream: str,
    workspace: str | None,
    data: st.DataObject,
) -> None:
    decision = evaluate(having(*map(write_grant, given)), operation, upstream, workspace)
    if isinstance(decision, NeedsObject):
        assert all(describe(requirement) for requirement in decision.requirements)
        decision = judge(decision, data.draw(named_in(operation)))
    if isinstance(decision, Denied):
        sentence = decision.message
        assert sentence.startswith("Headgate refused: your key 'ci' may ")
        assert sentence.endswith(".")
        assert "ask the gate's operator for " in sentence
        assert "  " not in sentence
