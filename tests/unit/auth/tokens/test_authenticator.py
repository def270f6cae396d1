"""What is remembered of tokens, and when they are asked about again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from headgate.auth.chain import Identified
from headgate.auth.credentials import Credentials
from headgate.auth.tokens import authenticator as module
from headgate.auth.tokens.jose import PublicKey
from headgate.auth.tokens.verification import CHECKS_TOGETHER
from headgate.config import Rule
from headgate.events import IssuerKeysChanged, IssuerKeysReadable, IssuerKeysUnreadable
from headgate.model import AuthMethod, Principal
from headgate.reasons import Reason
from tests.support.issuers import Fault, Issuer
from tests.support.signing import new_key
from tests.support.token_gate import AUDIENCE, TokenGate, settings

NOW = float(int(time.time()))
KEY = new_key("k1", "ES256")


class Scene:
    """A gate with one issuer, whose tokens live an hour."""

    def __init__(self, **changes: Any) -> None:
        self.issuer = Issuer("https://idp.example", "https://idp.example", KEY)
        self.gate = TokenGate({"idp": self.issuer}, NOW)
        self.configure(**changes)

    def configure(self, **changes: Any) -> None:
        self.gate.configure({"ci": settings(self.issuer.name, **changes)})

    def token(self, **claims: Any) -> str:
        now = self.gate.clock.now
        given = {
            "iss": self.issuer.name,
            "aud": AUDIENCE,
            "sub": "job",
            "iat": now,
            "exp": now + 3600,
        }
        return self.issuer.token({**given, **claims})


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The algorithm of each signature check."""
    done: list[str] = []
    verifies = PublicKey.verifies

    def counted(self: PublicKey, algorithm: str, signed: bytes, signature: bytes) -> bool:
        done.append(algorithm)
        return verifies(self, algorithm, signed, signature)

    monkeypatch.setattr(PublicKey, "verifies", counted)
    return done


def test_a_token_names_its_principal(scene: Scene) -> None:
    principal = scene.gate.show(scene.token(sub="repo:a/b:ref with é"))
    assert principal.id == "ci:repo:a/b:ref%20with%20%C3%A9"
    assert principal.id.isascii()
    assert principal.name == "repo:a/b:ref with é"
    assert (principal.method, principal.issuer) == (AuthMethod.TOKEN, "ci")
    assert len(principal.credential) == 12
    assert principal.grants.roles == ("viewer",)


def test_a_token_is_verified_once(scene: Scene, verified: list[str]) -> None:
    token = scene.token()
    assert scene.gate.show(token) is scene.gate.show(token, basic=True)
    assert verified == ["ES256"]
    assert scene.gate.tokens.authenticator.remembered == 1


def test_a_token_ends_when_it_says_so(scene: Scene, verified: list[str]) -> None:
    """To the instant, also for one that is remembered, and without verifying it again."""
    token = scene.token()
    scene.gate.show(token)
    scene.gate.clock.advance(3599.9)
    scene.gate.show(token)
    scene.gate.clock.advance(0.1)
    refusal = scene.gate.refused(token)
    assert refusal.reason is Reason.TOKEN_EXPIRED
    assert verified == ["ES256"]


def test_a_refused_token_is_not_remembered(scene: Scene, verified: list[str]) -> None:
    token = scene.token(aud="https://other.example")
    scene.gate.refused(token)
    scene.gate.refused(token)
    assert len(verified) == 2
    assert scene.gate.tokens.authenticator.remembered == 0


def test_another_configuration_asks_again(scene: Scene) -> None:
    token = scene.token()
    before = scene.gate.show(token)
    generation = scene.gate.chain.generation()
    scene.configure(rules=(Rule(when={"sub": ("job",)}, roles=("writer",)),))
    assert scene.gate.chain.generation() > generation
    assert scene.gate.show(token).grants.roles == ("writer",)
    assert before.grants.roles == ("viewer",)
    assert len(scene.gate.fetched) == 2  # its keys stay


def test_one_principal_is_stopped_by_a_reload(scene: Scene) -> None:
    token, other = scene.token(), scene.token(sub="other")
    scene.gate.show(token)
    scene.configure(denied=("job",))
    assert scene.gate.refused(token).reason is Reason.PRINCIPAL_DISABLED
    assert scene.gate.show(other)


def test_an_issuer_that_is_no_longer_configured(scene: Scene) -> None:
    token = scene.token()
    scene.gate.show(token)
    scene.gate.configure({})
    refusal = scene.gate.refused(token)
    assert refusal.reason is Reason.UNAUTHENTICATED
    assert "not a Headgate key" in refusal.message


def test_a_new_key_is_fetched_when_a_token_names_it(scene: Scene) -> None:
    scene.gate.show(scene.token())
    scene.issuer.rotate("k2")
    token = scene.token()
    assert scene.gate.refused(token).reason is Reason.TOKEN_KEY_UNKNOWN  # asked a moment ago
    scene.gate.clock.advance(30)
    generation = scene.gate.chain.generation()
    assert scene.gate.show(token)
    assert scene.gate.chain.generation() == generation  # no token means anything else
    scene.issuer.rotate("k3", keep=False)
    assert scene.gate.show(token), "the key is gone, but nobody has asked yet"
    scene.gate.clock.advance(30)
    assert scene.gate.show(scene.token())
    assert scene.gate.chain.generation() > generation
    assert scene.gate.refused(token).reason is Reason.TOKEN_KEY_UNKNOWN


def test_a_key_that_changes_under_its_name_is_another_key(scene: Scene) -> None:
    token = scene.token()
    scene.gate.show(token)
    scene.issuer.rotate("k1", keep=False)
    scene.gate.clock.advance(30)
    scene.gate.refused(scene.issuer.token({"iss": scene.issuer.name}, {"alg": "ES256", "kid": "x"}))
    assert scene.gate.refused(token).reason is Reason.TOKEN_SIGNATURE


def test_unknown_keys_cause_few_fetches(scene: Scene) -> None:
    for at in range(50):
        header = {"alg": "ES256", "kid": f"unknown-{at}"}
        refusal = scene.gate.refused(scene.issuer.token({"iss": scene.issuer.name}, header))
        assert refusal.reason is Reason.TOKEN_KEY_UNKNOWN
    assert len(scene.gate.fetched) == 2


def test_an_outage_is_survived(scene: Scene) -> None:
    scene.gate.show(scene.token())
    scene.issuer.fault = Fault.ERROR
    scene.gate.clock.advance(100_000)
    assert scene.gate.show(scene.token())
    header = {"alg": "ES256", "kid": "unknown"}
    refusal = scene.gate.refused(scene.issuer.token({"iss": scene.issuer.name}, header))
    assert refusal.reason is Reason.TOKEN_KEY_UNKNOWN
    (status,) = scene.gate.tokens.statuses()
    assert status.keys == 1
    assert status.age_seconds == pytest.approx(100_000)
    assert "responded 503" in (status.failing or "")
    assert scene.gate.tokens.oldest_keys() == pytest.approx(100_000)
    scene.issuer.fault = Fault.NONE
    scene.gate.clock.advance(30)
    scene.gate.refused(scene.issuer.token({"iss": scene.issuer.name}, header))
    assert [type(each) for each in scene.gate.events] == [
        IssuerKeysChanged,
        IssuerKeysUnreadable,
        IssuerKeysReadable,
    ]


def test_without_any_keys_a_token_may_be_tried_again(scene: Scene) -> None:
    scene.issuer.fault = Fault.ERROR
    refusal = scene.gate.refused(scene.token())
    assert refusal.reason is Reason.ISSUER_UNAVAILABLE
    assert refusal.code == 503
    assert refusal.retry_after == 5
    assert not refusal.challenge
    fetched = len(scene.gate.fetched)
    scene.gate.refused(scene.token())
    assert len(scene.gate.fetched) == fetched, "not for each request"
    scene.issuer.fault = Fault.NONE
    scene.gate.clock.advance(5)
    assert scene.gate.show(scene.token())


def test_verifications_are_capped_per_address(scene: Scene, verified: list[str]) -> None:
    good = scene.token()
    scene.gate.show(good, "192.0.2.1")
    forged = good[:-8] + "AAAAAAAA"
    for _ in range(CHECKS_TOGETHER):
        assert scene.gate.refused(forged, "192.0.2.1").reason is Reason.TOKEN_SIGNATURE
    refusal = scene.gate.refused(forged, "192.0.2.1")
    assert refusal.reason is Reason.AUTH_THROTTLED
    assert refusal.retry_after == 1
    assert len(verified) == 1 + CHECKS_TOGETHER
    assert scene.gate.show(good, "192.0.2.1"), "it is remembered"
    assert scene.gate.show(scene.token(sub="b"), "192.0.2.2"), "another address"
    scene.gate.clock.advance(1)
    assert scene.gate.show(scene.token(sub="c"), "192.0.2.1")


def test_many_programs_behind_one_address_all_get_in(scene: Scene) -> None:
    for at in range(2 * CHECKS_TOGETHER):
        assert scene.gate.show(scene.token(sub=f"job-{at}"), "192.0.2.1")


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": NOW - 1}, Reason.TOKEN_EXPIRED),
        ({"aud": "https://other.example"}, Reason.TOKEN_AUDIENCE),
        ({"sub": "stranger"}, Reason.TOKEN_RULE),
    ],
)
def test_tokens_of_strangers_are_counted_though_their_signatures_are_good(
    claims: dict[str, Any], reason: Reason
) -> None:
    scene = Scene(rules=(Rule(when={"sub": ("job",)}, roles=("viewer",)),))
    token = scene.token(**claims)
    for _ in range(CHECKS_TOGETHER):
        assert scene.gate.refused(token, "192.0.2.1").reason is reason
    assert scene.gate.refused(token, "192.0.2.1").reason is Reason.AUTH_THROTTLED


@pytest.mark.patches
def test_the_memory_is_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is used stays; what is not used goes first."""
    monkeypatch.setattr(module, "CAPACITY", 20)
    used = scene.token()
    scene.gate.show(used)
    for at in range(60):
        scene.gate.show(scene.token(sub=f"job-{at}"), f"192.0.2.{at}")
        scene.gate.show(used)
    remembered = scene.gate.tokens.authenticator.remembered
    assert remembered <= 20


def test_what_is_no_token_is_left_to_others(scene: Scene) -> None:
    authenticator = scene.gate.tokens.authenticator
    for text in ("", "hg_abc", "eyJhbGciOiJub25lIn0", "e.y", "a.b.c"):
        assert authenticator.authenticate(Credentials(text), NOW) is None


def test_issuers_with_one_principal_name_are_two_principals() -> None:
    one = Issuer("https://one.example", "https://one.example", KEY)
    two = Issuer("https://two.example", "https://two.example", new_key("k2", "ES256"))
    gate = TokenGate({"one": one, "two": two}, NOW)
    gate.configure({"one": settings(one.name), "two": settings(two.name)})
    shown = [
        gate.show(
            each.token({"iss": each.name, "aud": AUDIENCE, "sub": "a@b.example", "exp": NOW + 60})
        )
        for each in (one, two)
    ]
    assert [each.id for each in shown] == ["one:a@b.example", "two:a@b.example"]


def test_keys_are_left_to_a_worker_that_replaces_another(scene: Scene) -> None:
    token = scene.token()
    scene.gate.show(token)
    later = TokenGate({}, NOW, kept=scene.gate.kept)
    later.configure({"ci": settings(scene.issuer.name)})
    assert later.show(token).id == "ci:job"
    assert later.fetched == []
    moved = TokenGate({}, NOW, kept=scene.gate.kept)
    moved.configure({"ci": settings(scene.issuer.name, jwks_url="https://elsewhere.example/k")})
    assert moved.refused(token).reason is Reason.ISSUER_UNAVAILABLE


Change = Callable[[Scene], None]


def test_a_kept_connection_is_asked_again_once_its_key_is_gone(scene: Scene) -> None:
    """The generation rises, so that no connection goes on by what it was."""
    token = scene.token()
    found = scene.gate.show(token)
    assert isinstance(found, Principal)
    before = scene.gate.chain.generation()
    scene.issuer.rotate("k2", keep=False)
    scene.gate.clock.advance(30)
    scene.gate.show(scene.token())
    assert scene.gate.chain.generation() == before + 1


def test_an_identity_is_good_until_the_token_ends(scene: Scene) -> None:
    token = scene.token(exp=NOW + 100.5)
    scene.gate.show(token)
    found = scene.gate.tokens.authenticator.authenticate(Credentials(token), NOW)
    assert isinstance(found, Identified)
    assert found.good_until == NOW + 100.5


class TestTenantsOfEntra:
    """One issuer for all tenants, of which the rules name two."""

    BASE = "https://login.microsoftonline.com"
    ONE, TWO, OTHER = (f"{letter * 8}-0000-0000-0000-000000000000" for letter in "abc")

    def gate(self) -> tuple[TokenGate, Issuer]:
        issuer = Issuer(f"{self.BASE}/{{tenantid}}/v2.0", f"{self.BASE}/common/v2.0", KEY)
        gate = TokenGate({"entra": issuer}, NOW)
        rules = (Rule(when={"tid": (self.ONE, self.TWO)}, roles=("viewer",)),)
        gate.configure({"entra": settings(f"{self.BASE}/common/v2.0", rules=rules)})
        return gate, issuer

    def claims(self, tenant: str, **changes: Any) -> dict[str, Any]:
        given = {"iss": f"{self.BASE}/{tenant}/v2.0", "aud": AUDIENCE, "sub": "app", "tid": tenant}
        return {**given, "iat": NOW, "exp": NOW + 600, **changes}

    def test_the_tenants_of_the_rules_are_accepted(self) -> None:
        """One name in two tenants is two principals."""
        gate, issuer = self.gate()
        for tenant in (self.ONE, self.TWO):
            assert gate.show(issuer.token(self.claims(tenant))).id == f"entra:{tenant}/app"

    def test_others_are_not(self) -> None:
        gate, issuer = self.gate()
        stranger = self.claims(self.OTHER)
        assert gate.refused(issuer.token(stranger)).reason is Reason.TOKEN_ISSUER
        disguised = self.claims(self.ONE, tid=self.OTHER)
        assert gate.refused(issuer.token(disguised)).reason is Reason.TOKEN_RULE
        nameless = self.claims("common", tid=self.ONE)
        assert gate.refused(issuer.token(nameless)).reason is Reason.TOKEN_ISSUER

    def test_a_key_may_be_bound_to_one_tenant(self) -> None:
        gate, issuer = self.gate()
        own = new_key("own", "ES256")
        issuer.extra_jwks = [own.public_jwk() | {"issuer": f"{self.BASE}/{self.ONE}/v2.0"}]
        header = {"alg": "ES256", "kid": "own"}
        for tenant, is_good in ((self.ONE, True), (self.TWO, False)):
            found = gate.ask(issuer.token(self.claims(tenant), header, own))
            assert isinstance(found, Principal) is is_good
