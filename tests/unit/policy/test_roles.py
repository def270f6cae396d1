"""Roles: what they come to for a key, and what can be wrong with a configuration's own."""

from __future__ import annotations

import pytest

from headgate.model import FAMILIES, Action, GrantFromRole, Grants
from headgate.policy import BUILT_IN, DEFAULT_ROLES, Role, Roles, parse_grant
from headgate.policy.roles import problems

OWN = {
    "team-a": Role("", ("*:* on experiment team-a/*",), includes=("pages",)),
    "pages": Role("", ("read:ui", "read:meta")),
    "lab": Role("", ("write:meta", "read:runs in upstream lab")),
}


def may(grants: Grants, family: str) -> set[str]:
    return {action.value for action in grants.everywhere.get(family, ())}


def test_what_the_built_in_roles_may() -> None:
    viewer, writer, publisher, llm_user, admin = (
        Roles().grants_for("ci", [role])
        for role in ("viewer", "writer", "publisher", "llm-user", "admin")
    )
    assert may(viewer, "runs") == may(publisher, "runs") == {"read"}
    assert may(writer, "runs") == {"read", "write", "delete"}
    assert may(viewer, "models") == may(writer, "models") == {"read"}
    assert may(publisher, "models") == {"read", "write", "delete"}
    assert may(publisher, "artifacts") == {"read"}
    assert may(llm_user, "ai-gateway") == {"read", "write"}
    assert {family for family in FAMILIES if may(llm_user, family)} == {"ai-gateway", "meta"}
    for grants in (viewer, writer, publisher):
        assert may(grants, "ai-gateway") == {"read"}
    for grants in (viewer, writer, publisher, llm_user):
        assert not any(may(grants, family) for family in ("webhooks", "jobs", "assistant"))
        assert not any("administer" in may(grants, family) for family in FAMILIES)
    assert all(may(admin, family) == {action.value for action in Action} for family in FAMILIES)


def test_the_default_roles_exist() -> None:
    assert set(DEFAULT_ROLES) <= set(BUILT_IN)


@pytest.mark.parametrize(
    ("names", "lost"),
    [
        (["writer", "publisher"], True),
        (["writer"], True),
        (["trains"], True),  # which includes it
        (["gone", "writer"], True),
        (["writer", "llm-user"], False),
        (["writer", "asks"], False),
        (["writer", "all-of-it"], False),
        (["admin"], False),
        (["viewer", "publisher"], False),
        ([], False),
    ],
)
def test_which_keys_lost_the_calls_of_models(names: list[str], lost: bool) -> None:
    own = {
        "trains": Role("", (), includes=("writer",)),
        "asks": Role("", ("write:ai-gateway",)),
        "all-of-it": Role("", ("*:ai-gateway",)),
    }
    assert Roles(own).lost_calls(names) is lost


def test_a_key_with_several_roles_has_all_their_grants() -> None:
    both = Roles().grants_for("ci", ["writer", "publisher"])
    assert may(both, "runs") == may(both, "models") == {"read", "write", "delete"}
    assert (both.holder, both.roles, both.missing) == ("ci", ("writer", "publisher"), ())
    assert both.reads_all


def test_a_role_has_the_grants_of_those_it_includes() -> None:
    roles = Roles(OWN)
    assert roles.given("team-a") == (
        GrantFromRole("team-a", parse_grant("*:* on experiment team-a/*")),
        GrantFromRole("pages", parse_grant("read:ui")),
        GrantFromRole("pages", parse_grant("read:meta")),
    )
    assert may(roles.grants_for("ci", ["team-a"]), "meta") == {"read"}


def test_a_role_that_does_not_exist_grants_nothing() -> None:
    grants = Roles().grants_for("ci", ["gone", "viewer"])
    assert grants.missing == ("gone",)
    assert grants.everywhere == Roles().grants_for("ci", ["viewer"]).everywhere
    assert Roles().grants_for("ci", ["gone"]).by_family == {}
    assert Roles().grants_for("ci", []).by_family == {}


def test_what_many_combinations_of_roles_come_to_stays_right() -> None:
    """What was worked out is forgotten at some time, and then worked out anew."""
    roles = Roles(OWN)
    before = roles.grants_for("ci", ["pages"])
    for number in range(10_001):
        roles.grants_for("ci", [f"role-{number}"])
    assert roles.grants_for("ci", ["pages"]) == before


def test_a_grant_counts_only_where_it_can_mean_something() -> None:
    """What acts on a whole server is not given away with a workspace, nor with experiments."""
    roles = Roles(
        {
            "workspace": Role("", ("*:* in workspace w",)),
            "experiment": Role("", ("*:* on experiment x",)),
            "model": Role("", ("*:* on model x",)),
            "upstream": Role("", ("*:* in upstream lab",)),
        }
    )
    counts = {
        name: set(FAMILIES) - set(roles.grants_for("ci", [name]).by_family)
        for name in ("workspace", "upstream")
    }
    server_wide = {"jobs", "assistant", "workspaces", "auth-admin", "ui", "meta", "gate"}
    assert counts == {"workspace": server_wide, "upstream": {"gate"}}
    assert "ai-gateway" not in roles.grants_for("ci", ["experiment"]).by_family
    assert set(roles.grants_for("ci", ["model"]).by_family) == {"models", "artifacts"}


def test_the_role_to_ask_for_is_the_least_one_with_all_of_the_family() -> None:
    """``admin`` only for what is for administrators; roles with conditions never."""
    ask_for = Roles(OWN).grants_for("ci", []).ask_for
    assert ask_for[Action.READ, "runs"] == "viewer"
    assert ask_for[Action.DELETE, "runs"] == "writer"
    assert ask_for[Action.DELETE, "models"] == "publisher"
    assert ask_for[Action.ADMINISTER, "webhooks"] == "admin"
    assert ask_for[Action.WRITE, "meta"] == "lab"
    assert (Action.READ, "auth-admin") not in ask_for
    assert (Action.WRITE, "meta") not in Roles().grants_for("ci", []).ask_for


def test_sound_roles_have_no_problems() -> None:
    assert list(problems(OWN, ["default", "lab"])) == []


@pytest.mark.parametrize(
    ("own", "path", "message"),
    [
        ({"admin": Role("", ())}, "roles.admin", "is a built-in role; choose another name"),
        ({"Team A": Role("", ())}, "roles.Team A", "is not a valid role name"),
        ({"x" * 65: Role("", ())}, f"roles.{'x' * 65}", "is not a valid role name"),
        ({"-": Role("", ())}, "roles.-", "is not a valid role name"),
        (
            {"a": Role("", (), ("viewer", "wiewer"))},
            "roles.a.includes.1",
            "there is no role 'wiewer': viewer, writer, publisher, llm-user, admin, a",
        ),
        ({"a": Role("", (), ("a",))}, "roles.a.includes", "the role includes itself"),
        (
            {"a": Role("", ("read:ui", "read:runs in upstream lab"))},
            "roles.a.grants.1",
            "there is no upstream 'lab': default",
        ),
    ],
)
def test_each_problem_has_its_path(own: dict[str, Role], path: str, message: str) -> None:
    (problem,) = problems(own, ["default"])
    assert problem.path == path
    assert problem.message.startswith(message)


def test_a_circle_of_roles_is_reported_for_each_role_in_it() -> None:
    own = {
        "a": Role("", (), ("b",)),
        "b": Role("", (), ("c", "viewer")),
        "c": Role("", (), ("a",)),
        "outside": Role("", (), ("a",)),
    }
    assert [problem.path for problem in problems(own, [])] == [
        "roles.a.includes",
        "roles.b.includes",
        "roles.c.includes",
    ]


def test_a_grant_that_cannot_be_read_is_for_others_to_tell() -> None:
    assert list(problems({"a": Role("", ("read:run in upstream x",))}, [])) == []
