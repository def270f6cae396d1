"""What the tokens of an issuer must fulfil, and what its rules give."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.auth.tokens.form import SignedToken
from headgate.auth.tokens.refusals import TokenRefusedError
from headgate.auth.tokens.trusted_issuer import TrustedIssuer
from headgate.errors import Refusal
from headgate.policy import Roles
from headgate.reasons import Reason
from tests.support.token_gate import AUDIENCE, settings

NOW = 1_800_000_000.0
ISSUER = "https://idp.example"


def trusted(**changes: Any) -> TrustedIssuer:
    return TrustedIssuer("ci", settings(changes.pop("issuer", ISSUER), **changes), Roles())


def with_rules(*rules: tuple[dict[str, Any], tuple[str, ...]], **changes: Any) -> TrustedIssuer:
    return trusted(rules=[{"when": when, "roles": roles} for when, roles in rules], **changes)


def token(**claims: Any) -> SignedToken:
    given = {"iss": ISSUER, "aud": AUDIENCE, "iat": NOW, "exp": NOW + 600, **claims}
    present = {name: each for name, each in given.items() if each is not None}
    return SignedToken("RS256", None, ISSUER, present, b"", b"")


def refusal(of: TrustedIssuer, **claims: Any) -> Refusal:
    with pytest.raises(TokenRefusedError) as caught:
        of.check_claims(token(**claims), NOW)
    return caught.value.refusal


def roles(of: TrustedIssuer, **claims: Any) -> list[str]:
    try:
        return of.roles_of(token(**claims))
    except TokenRefusedError:
        return []


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": NOW}, Reason.TOKEN_EXPIRED),
        ({"exp": NOW - 600, "iat": NOW - 1200}, Reason.TOKEN_EXPIRED),
        ({"iat": NOW + 600, "exp": NOW + 1200}, Reason.TOKEN_NOT_YET_VALID),
        ({"nbf": NOW + 61}, Reason.TOKEN_NOT_YET_VALID),
        ({"iat": NOW + 61}, Reason.TOKEN_NOT_YET_VALID),
        ({"exp": NOW + 86_401}, Reason.TOKEN_LIFE),
        ({"exp": NOW + 86_401, "iat": None}, Reason.TOKEN_LIFE),
        ({"exp": NOW + 60, "iat": NOW - 86_400}, Reason.TOKEN_LIFE),
        ({"exp": None}, Reason.TOKEN_MALFORMED),
        ({"aud": None}, Reason.TOKEN_AUDIENCE),
        ({"aud": ""}, Reason.TOKEN_AUDIENCE),
        ({"aud": []}, Reason.TOKEN_AUDIENCE),
        ({"aud": [1, AUDIENCE]}, Reason.TOKEN_MALFORMED),
        ({"aud": AUDIENCE.upper()}, Reason.TOKEN_AUDIENCE),
        ({"cnf": {"jkt": "x"}}, Reason.TOKEN_MALFORMED),
        ({"exp": 10**400}, Reason.TOKEN_MALFORMED),
        ({"nbf": []}, Reason.TOKEN_MALFORMED),
        ({"iat": False}, Reason.TOKEN_MALFORMED),
    ],
)
def test_claims_that_are_refused(claims: dict[str, Any], reason: Reason) -> None:
    assert refusal(trusted(), **claims).reason is reason


def test_clocks_may_differ_by_the_leeway() -> None:
    """Ten minutes are too much in both directions; ``exp`` is never extended."""
    settled = trusted(leeway=60)
    assert settled.check_claims(token(iat=NOW + 60, nbf=NOW + 60), NOW) == NOW + 600
    assert refusal(settled, exp=NOW - 1).reason is Reason.TOKEN_EXPIRED
    assert refusal(trusted(leeway=0), iat=NOW + 1).reason is Reason.TOKEN_NOT_YET_VALID


def test_sentences_say_how_far_the_clocks_are_apart() -> None:
    late = refusal(trusted(), exp=NOW - 600, iat=NOW - 1200)
    assert "has expired 10 minutes ago" in late.message
    early = refusal(trusted(), iat=NOW + 600)
    assert "'iat' is 10 minutes in the future" in early.message


def test_one_of_several_audiences_is_enough() -> None:
    settled = trusted(audience=("a", "b"))
    assert settled.check_claims(token(aud=["x", "b"]), NOW)
    assert settled.check_claims(token(aud="a"), NOW)


def test_a_shorter_life_may_be_asked_for() -> None:
    assert refusal(trusted(max_life=599), sub="a").reason is Reason.TOKEN_LIFE
    assert trusted(max_life=600).check_claims(token(), NOW)


@pytest.mark.parametrize(
    ("when", "claims", "fits"),
    [
        ({"sub": ["a"]}, {"sub": "a"}, True),
        ({"sub": ["a"]}, {"sub": "A"}, False),
        ({"sub": ["a"]}, {"sub": "ab"}, False),
        ({"sub": ["a"]}, {}, False),
        ({"sub": ["*"]}, {}, False),
        ({"sub": ["*"]}, {"sub": None}, False),
        ({"ref": ["refs/heads/*"]}, {"ref": "refs/heads/a/b"}, True),
        ({"ref": ["refs/heads/*"]}, {"ref": "refs/tags/v1"}, False),
        ({"ref": ["v?"]}, {"ref": "v1"}, True),
        ({"ref": ["v?"]}, {"ref": "v10"}, False),
        # A KELVIN SIGN, which the composed form of Unicode turns into a K.
        ({"ref": ["K*"]}, {"ref": "\u212aelvin"}, False),
        ({"ref": ["K*"]}, {"ref": "Kelvin"}, True),
        ({"id": ["74"]}, {"id": 74}, True),
        ({"id": [74]}, {"id": "74"}, True),
        ({"id": [74]}, {"id": 74.0}, False),
        ({"id": ["1"]}, {"id": True}, False),
        ({"id": ["True"]}, {"id": True}, False),
        ({"ok": [True]}, {"ok": True}, True),
        ({"ok": [True]}, {"ok": "true"}, False),
        ({"ok": [True]}, {"ok": 1}, False),
        ({"ok": [False]}, {"ok": 0}, False),
        ({"ok": [False]}, {}, False),
        ({"groups": ["b"]}, {"groups": ["a", "b"]}, True),
        ({"groups": ["b"]}, {"groups": [["b"]]}, False),
        ({"groups": ["b"]}, {"groups": []}, False),
        ({"groups": ["b", "c"]}, {"groups": "c"}, True),
        ({"sub": ["a"]}, {"sub": ["a"]}, False),
        ({"/kubernetes.io/namespace": ["x"]}, {"kubernetes.io": {"namespace": "x"}}, True),
        ({"/kubernetes.io/namespace": ["x"]}, {"kubernetes.io": [{"namespace": "x"}]}, False),
        ({"/kubernetes.io/namespace": ["x"]}, {"kubernetes.io": "x"}, False),
        ({"kubernetes.io": ["x"]}, {"kubernetes": {"io": "x"}}, False),
        ({"a": ["1"], "b": ["2"]}, {"a": "1", "b": "2"}, True),
        ({"a": ["1"], "b": ["2"]}, {"a": "1"}, False),
    ],
)
def test_a_rule_fits_if_all_its_conditions_hold(
    when: dict[str, Any], claims: dict[str, Any], fits: bool
) -> None:
    assert bool(roles(with_rules((when, ("viewer",))), **claims)) is fits


def test_the_id_of_a_tenant_is_never_a_list() -> None:
    github = with_rules(
        ({"repository_id": ["74"], "x": ["1"]}, ("viewer",)),
        issuer="https://token.actions.githubusercontent.com",
    )
    assert roles(github, repository_id="74", x=["1"])
    assert not roles(github, repository_id=["74"], x=["1"])


def test_all_rules_that_fit_count_together() -> None:
    both = with_rules(
        ({"sub": ["*"]}, ("viewer",)),
        ({"ref": ["main"]}, ("writer", "viewer")),
        ({"ref": ["other"]}, ("admin",)),
    )
    assert roles(both, sub="a", ref="main") == ["viewer", "writer"]
    assert roles(both, sub="a", ref="x") == ["viewer"]
    assert roles(both, ref="other") == ["admin"]


def test_a_token_that_fits_no_rule_learns_the_closest_claim() -> None:
    """The claim's name; its values are for the log."""
    of = with_rules(
        ({"a": ["1"], "b": ["secret-wanted"]}, ("viewer",)), ({"c": ["2"], "d": ["3"]}, ("viewer",))
    )
    with pytest.raises(TokenRefusedError) as caught:
        of.roles_of(token(a="1", b="given"))
    found = caught.value.refusal
    assert found.reason is Reason.TOKEN_RULE
    assert "differs in 'b'" in found.message
    assert "given" not in found.message
    assert "secret-wanted" not in found.message + found.detail
    assert found.detail == "rule 0 does not fit: b='given'"


@pytest.mark.parametrize(
    "claims", [{}, {"sub": ""}, {"sub": ["a"]}, {"sub": True}, {"sub": "a" * 257}]
)
def test_a_token_has_to_name_its_holder(claims: dict[str, Any]) -> None:
    of = with_rules(({"aud": [AUDIENCE]}, ("viewer",)))
    with pytest.raises(TokenRefusedError) as caught:
        of.principal_of(token(**claims), "c")
    assert caught.value.refusal.reason is Reason.TOKEN_RULE


def test_the_principal_and_its_name_may_be_other_claims() -> None:
    of = with_rules(
        ({"aud": [AUDIENCE]}, ("viewer",)),
        principal="/k/uid",
        display_name="name",
        denied=["13"],
    )
    found = of.principal_of(token(k={"uid": 12}, name="train\nme"), "c")
    assert (found.id, found.name) == ("ci:12", "train%0Ame")
    assert of.principal_of(token(k={"uid": 12}), "c").name == "12"
    with pytest.raises(TokenRefusedError) as caught:
        of.principal_of(token(k={"uid": 13}), "c")
    assert caught.value.refusal.reason is Reason.PRINCIPAL_DISABLED
