"""``headgate principals`` as its users see it."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from headgate.cli import principals
from headgate.errors import HeadgateError
from tests.support.commands import Commands


def test_a_principal_is_created_shown_and_listed(headgate: Commands) -> None:
    made = headgate.principals("create", "ada", "--kind", "person", "--description", "data team")
    assert made.stdout == ""
    assert re.search(
        r"the principal 'ada' \(p_\w{8}\) created, with roles writer, publisher\n", made.stderr
    )
    headgate.keys("create", "laptop", "--for", "ada")
    shown = headgate.principals("show", "ada").stdout
    assert re.search(
        r"^principal    ada \(p_\w{8}\)\nkind         person\nstate        active", shown
    )
    assert "active keys  1\n" in shown
    assert "laptop" in shown
    document = headgate.document("principals", "show", "ada")
    assert document["principal"]["description"] == "data team"
    assert [each["name"] for each in document["keys"]] == ["laptop"]
    (listed,) = headgate.document("principals", "list")["principals"]
    assert listed == document["principal"]
    assert (listed["kind"], listed["state"], listed["active_keys"]) == ("person", "active", 1)


def test_roles_name_and_description_can_be_changed(headgate: Commands) -> None:
    made = headgate.document("principals", "create", "ci")["principal"]
    changed = headgate.principals("set-roles", "ci", "--role", "viewer")
    assert changed.stderr.endswith(f"'ci' ({made['id']}) now has role viewer\n")
    renamed = headgate.principals("rename", "ci", "build")
    assert renamed.stderr == f"the principal 'build' ({made['id']}) has this name now\n"
    headgate.principals("set", "build", "--description", "nightly")
    now = headgate.document("principals", "show", made["id"])["principal"]
    assert now == made | {"roles": ["viewer"], "name": "build", "description": "nightly"}


def test_a_principal_is_disabled_and_enabled(headgate: Commands) -> None:
    headgate.keys("create", "ci")
    headgate.keys("create", "second", "--for", "ci")
    disabled = headgate.principals("disable", "ci")
    assert disabled.stderr.endswith("is disabled; gates refuse its 2 keys\n")
    assert {each["state"] for each in headgate.document("keys", "list")["keys"]} == {"disabled"}
    assert headgate.document("principals", "disable", "ci")["principal"]["state"] == "disabled"
    assert headgate.principals("enable", "ci").stderr.endswith("is enabled\n")
    assert headgate.document("principals", "list")["principals"][0]["state"] == "active"
    headgate.principals("create", "idle")
    assert headgate.principals("disable", "idle").stderr.endswith("is disabled\n")


@pytest.mark.parametrize("columns", [30, 80, 124])
def test_the_list_fits_the_terminal(
    headgate: Commands, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    headgate.principals("create", "[b]ada", "--kind", "person", "--description", "data team")
    headgate.principals("create", "ci", "--role", "viewer")
    headgate.principals("disable", "ci")
    shown = headgate.principals("list").stdout
    assert max(map(len, shown.splitlines())) <= columns
    words = " ".join(shown.split())
    for expected in ("[b]ada", "person", "ci", "service", "viewer", "disabled 20"):
        assert expected in words
    assert ("data team" in words) is (columns >= 124)


def test_a_principal_that_is_not_there_gets_a_suggestion(headgate: Commands) -> None:
    headgate.keys("create", "--break-glass", "--reason", "x")
    with pytest.raises(HeadgateError, match="did you mean 'break-glass'"):
        headgate.principals("show", "breakglass")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("create", "ci"), "has the name 'ci' already"),
        (("create", "x", "--role", "wrtier"), "no role 'wrtier'; did you mean 'writer'"),
        (("create", "break-glass"), "for keys made in an emergency"),
        (("rename", "ci", "other"), "has the name 'other' already"),
        (("show", "othr"), "no principal has the name 'othr'; did you mean 'other'"),
        (("create", "hg_abc"), "that is a key itself"),
        (("rename", "ci", "hg_abc"), "that is a key itself"),
    ],
)
def test_mistakes(headgate: Commands, arguments: tuple[str, ...], why: str) -> None:
    headgate.principals("create", "ci")
    headgate.principals("create", "other")
    with pytest.raises(HeadgateError, match=why):
        headgate.principals(*arguments)


def test_a_kind_that_does_not_exist(headgate: Commands) -> None:
    assert headgate.principals("create", "x", "--kind", "robot").exit_code == 2
    assert not headgate.data.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("show", "ci"),
        ("set-roles", "ci", "--role", "viewer"),
        ("set", "ci", "--description", "x"),
        ("rename", "ci", "b"),
        ("disable", "ci"),
        ("enable", "ci"),
    ],
)
def test_looking_at_a_store_that_is_not_there_makes_none(
    headgate: Commands, arguments: tuple[str, ...]
) -> None:
    with pytest.raises(HeadgateError, match="there is no key store at"):
        headgate.principals(*arguments)
    assert not headgate.data.exists()


def test_without_a_command_it_shows_its_help() -> None:
    assert "set-roles" in CliRunner().invoke(principals.app, []).stdout
