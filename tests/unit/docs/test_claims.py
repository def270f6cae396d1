"""What the pages say in sentences about roles and keys is what the code does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.contract import classify
from headgate.model import Action
from headgate.policy import BUILT_IN, DEFAULT_ROLES, Roles, parse_grant

ROOT = Path(__file__).parents[3]
PAGES = {
    str(page.relative_to(ROOT)): page.read_text(encoding="utf-8")
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
_ROLES = r"((?:`[a-z-]+`(?:, | and )?)+)"
_GRANT = r"`([a-z]+:[a-z-]+)`"
ONLY_HAVE = re.compile(rf"only {_ROLES} ha(?:ve|s) {_GRANT}")
WHICH_HAVE = re.compile(rf"{_GRANT}, which the roles {_ROLES} have")
DEFAULT = re.compile(rf"what a key gets when you name no role \| {_ROLES} \|")


def flat(text: str) -> str:
    return " ".join(text.split())


def named(text: str) -> set[str]:
    return set(re.findall(r"`([a-z-]+)`", text))


def claims() -> Iterator[tuple[str, str, set[str]]]:
    """The page, the grant, and the built-in roles that are said to have it, and no others."""
    for page, text in PAGES.items():
        for roles, grant in ONLY_HAVE.findall(flat(text)):
            yield page, grant, named(roles)
        for grant, roles in WHICH_HAVE.findall(flat(text)):
            yield page, grant, named(roles)


def having(grant: str) -> set[str]:
    wanted = parse_grant(grant)
    assert wanted.action is not None
    return {
        role
        for role in BUILT_IN
        if wanted.action in Roles().grants_for("", [role]).everywhere.get(str(wanted.family), ())
    }


def test_such_claims_are_found() -> None:
    found = list(claims())
    assert ("docs/how-to/grant-permissions.md", "write:ai-gateway") in {
        (page, grant) for page, grant, _ in found
    }
    assert ("docs/how-to/run-in-production.md", "read:gate") in {
        (page, grant) for page, grant, _ in found
    }


@pytest.mark.parametrize(("page", "grant", "roles"), list(claims()))
def test_the_roles_said_to_have_a_grant_have_it_and_no_others(
    page: str, grant: str, roles: set[str]
) -> None:
    assert having(grant) == roles, page


def test_nothing_is_said_of_built_in_roles_that_no_test_reads() -> None:
    """Sentences on which roles have what take one of the forms above, or are listed here."""
    read = ("only `", "The built-in roles do include reading", "least of the built-in roles")
    for page, text in PAGES.items():
        for sentence in re.split(r"(?<=[.:])\s|\n\n|\n#", text):
            said = flat(sentence)
            if re.search(r"built-in roles? (?!cannot)", said) and "## " not in sentence:
                assert any(each in said for each in read), f"{page}: {said}"


def test_the_built_in_roles_include_reading() -> None:
    """``docs/explanation/permissions.md`` says so of all of them."""
    assert "The built-in roles do include reading" in PAGES["docs/explanation/permissions.md"]
    for role in BUILT_IN:
        for family, actions in Roles().grants_for("", [role]).everywhere.items():
            assert Action.READ in actions, (role, family)


def test_the_default_roles_are_those_that_are_said() -> None:
    (said,) = DEFAULT.findall(flat(PAGES["docs/how-to/grant-permissions.md"]))
    assert named(said) == set(DEFAULT_ROLES)


def test_the_table_of_who_needs_what_names_roles_that_exist() -> None:
    rows = re.findall(r"^\| [^|]+ \| (`[^|]+) \|$", PAGES["docs/how-to/grant-permissions.md"], re.M)
    assert len(rows) == len(BUILT_IN) + 1
    assert {role for row in rows for role in named(row)} == set(BUILT_IN)


# The column that says who may read a path, by page, and how its cells begin where no key is needed.
WHO_MAY_READ = {
    "docs/explanation/routing.md": (2, ("no", "for details")),
    "docs/how-to/run-in-production.md": (1, ("anybody", "as for `/-/health`")),
}


@pytest.mark.parametrize("page", WHO_MAY_READ)
def test_the_pages_of_the_gate_that_need_no_key_are_those_that_are_said(page: str) -> None:
    column, without = WHO_MAY_READ[page]
    rows = re.findall(r"^\| (`/(?:-/|health)[^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGES[page], re.M)
    assert len(rows) >= 3
    for row in rows:
        for path in re.findall(r"`(/[^`]+)`", row[0]):
            base = "/-/health" if path.count("/") == 1 and path != "/health" else ""
            asked = f"{base}{path}".replace("/-/api/…", "/-/api/v1/keys")
            operation = classify(b"GET", asked.encode("ascii"))
            assert operation is not None, asked
            assert operation.public == row[column].startswith(without), asked
