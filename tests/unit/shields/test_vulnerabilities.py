"""What is said of published vulnerabilities, version by version."""

from __future__ import annotations

import re

import pytest

from headgate.config import ShieldRule
from headgate.shields import vulnerabilities
from headgate.shields.vulnerabilities import (
    Guard,
    Standing,
    Vulnerability,
    read_vulnerabilities,
)


@pytest.mark.parametrize(
    ("fixed", "version", "affected"),
    [
        (("2.9.2",), "2.9.1", True),
        (("2.9.2",), "2.9.2", False),
        (("2.9.2",), "2.22.5", False),
        (("2.22.4", "3.0.0"), "2.22.3", True),
        (("2.22.4", "3.0.0"), "2.22.5", False),
        (("2.22.4", "3.0.0"), "2.21.9", True),
        (("2.22.4", "3.0.0"), "3.0.0", False),
        (("3.10.0",), "3.9.0", True),
        (("3.10.0",), "3.10.0rc1", False),
        ((), "3.17.2", None),
        (("3.10.0",), "unknown", None),
    ],
)
def test_whether_a_version_is_affected(
    fixed: tuple[str, ...], version: str, affected: bool | None
) -> None:
    assert Vulnerability("CVE-0", "what", fixed).affects(version) is affected


def test_what_a_version_does_not_have_yet() -> None:
    one = Vulnerability("CVE-0", "what", ("3.9.0",), since="3.0.0")
    assert [one.affects(each) for each in ("2.22.5", "3.0.0", "3.9.0")] == [False, True, False]
    assert Vulnerability("CVE-0", "what", since="3.0.0").affects("3.1.0") is None


@pytest.mark.parametrize(
    ("by", "partly", "standing"),
    [
        (ShieldRule.TRAVERSAL, False, Standing.SHIELDED),
        (Guard.KEYS, False, Standing.SHIELDED),
        (ShieldRule.PRIVATE_TARGET, True, Standing.NEEDS_UPGRADE),
        (None, False, Standing.OUT_OF_REACH),
    ],
)
def test_what_becomes_of_it(
    by: ShieldRule | Guard | None, partly: bool, standing: Standing
) -> None:
    one = Vulnerability("CVE-0", "what", ("3.10.0",), by, partly)
    assert one.standing("3.9.0") is standing
    assert one.standing("3.10.0") is Standing.NOT_AFFECTED
    unknown = Standing.PARTLY_SHIELDED if partly else standing
    assert one.standing("") is unknown


def test_the_list_is_in_order_and_complete() -> None:
    """Each entry once, with an id as published; every shield is there for one of them."""
    found = read_vulnerabilities()
    ids = [each.id for each in found]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"CVE-\d{4}-\d{4,6}|GHSA(-[2-9a-z]{4}){3}", each) for each in ids)
    assert {each.by for each in found} >= set(ShieldRule) | set(Guard) | {None}
    assert all(each.what and not each.what.endswith(".") for each in found)


@pytest.mark.patches
def test_an_entry_that_names_no_guard_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"id": "CVE-2000-1", "what": "x", "by": "somebody"}
    monkeypatch.setattr(vulnerabilities, "_document", lambda: {"vulnerability": [entry]})
    with pytest.raises(ValueError, match="CVE-2000-1: 'somebody' is nothing that blocks"):
        read_vulnerabilities()
