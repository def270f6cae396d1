"""Keys that exist already, imported by their SHA-256."""

from __future__ import annotations

import hashlib
import re

import pytest

from headgate.auth.keys.form import digest
from headgate.identity import (
    Conflict,
    IdentityError,
    ImportedKey,
    ImportRefused,
    Invalid,
    NewKey,
    NotAllowed,
)
from tests.support.administered import DAY, NOW, OPERATOR, Administered, actor, keeper


def sha256(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def test_an_imported_key_is_like_any_other(house: Administered) -> None:
    new = NewKey("ci", None, ["viewer"], ["read:runs"], "from the old gate", NOW + DAY)
    key = house.do.import_key(OPERATOR, new, sha256(1))
    assert house.record("ci").digest == sha256(1)
    assert (key.roles, key.narrowing, key.description) == (
        ("viewer",),
        ("read:runs",),
        "from the old gate",
    )
    assert (key.principal, key.expires_at, key.created_by) == ("ci", NOW + DAY, "cli")


@pytest.mark.parametrize("end", ["active", "revoked"])
def test_a_key_is_imported_once(house: Administered, end: str) -> None:
    """One that was revoked least of all: it may have leaked."""
    issued = house.key("ci")
    if end == "revoked":
        house.do.revoke_key(OPERATOR, "ci")
    with pytest.raises(Conflict, match=r"the key is there already: 'ci' \(k_") as caught:
        house.do.import_key(OPERATOR, NewKey("again"), digest(issued.secret))
    assert digest(issued.secret).hex() not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"", "32 bytes, not 0"),
        (b"x" * 31, "32 bytes"),
        (b"x" * 33, "32 bytes"),
        (hashlib.sha256(b"changeme").digest(), "of an example"),
        (bytes(32), "of an example"),
    ],
)
def test_digests_that_are_no_keys(house: Administered, value: bytes, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        house.do.import_key(OPERATOR, NewKey("ci"), value)
    assert house.records() == []


def test_many_are_imported_together(house: Administered) -> None:
    house.principal("ada", "viewer")
    entries = [ImportedKey(NewKey(f"key {n}", "ada"), sha256(n)) for n in range(50)]
    keys = house.do.import_keys(OPERATOR, entries)
    assert [each.name for each in keys] == [f"key {n}" for n in range(50)]
    assert [each.digest for each in house.records()] == [each.digest for each in entries]
    assert sha256(1).hex() not in repr(entries)
    assert repr(sha256(1)) not in repr(entries)


def test_all_or_none_and_every_problem_is_named(house: Administered) -> None:
    house.key("taken")
    entries = [
        ImportedKey(NewKey("one"), sha256(1)),
        ImportedKey(NewKey("two"), sha256(1)),
        ImportedKey(NewKey("taken"), sha256(3)),
        ImportedKey(NewKey("one"), sha256(4)),
        ImportedKey(NewKey("five", "nobody"), sha256(5)),
        ImportedKey(NewKey("six"), b""),
        ImportedKey(NewKey("seven"), sha256(7)),
    ]
    with pytest.raises(
        ImportRefused, match=r"no key was imported: entry 2: .*, and 4 more"
    ) as caught:
        house.do.import_keys(OPERATOR, entries)
    assert [each.index for each in caught.value.problems] == [1, 2, 3, 4, 5]
    for problem, expected in zip(
        caught.value.problems,
        (
            "the key is there already",
            "the key k_.* has the name 'taken' already",
            "the key k_.* has the name 'one' already",
            "no principal has the name 'nobody'",
            "a SHA-256 has 32 bytes, not 0",
        ),
        strict=True,
    ):
        assert re.match(expected, str(problem.error))
    assert [each.name for each in house.records()] == ["taken"]
    assert [each.name for each in house.do.principals(OPERATOR)] == ["taken"]


def test_imports_are_bounded(house: Administered) -> None:
    with pytest.raises(Invalid, match="at most 10000 keys"):
        house.do.import_keys(OPERATOR, [ImportedKey(NewKey("a"), sha256(1))] * 10_001)
    assert house.do.import_keys(OPERATOR, []) == []


def test_imports_follow_the_rule_of_reach(house: Administered) -> None:
    entry = ImportedKey(NewKey("x", roles=["viewer"]), sha256(1))
    with pytest.raises(NotAllowed, match="importing keys needs administer:gate"):
        house.do.import_keys(actor("read:*"), [entry])
    with pytest.raises(ImportRefused, match="may do more than 'ada'"):
        house.do.import_keys(keeper("read:runs"), [entry])
    assert house.do.import_keys(keeper("read:*"), [entry])[0].created_by == "p_0000000a"
    with pytest.raises(IdentityError):
        house.do.import_keys(keeper("read:*"), [ImportedKey(NewKey("y", "x"), sha256(1))])
