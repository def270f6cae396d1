"""Every token that no gate may accept, for every kind of signing key."""

from __future__ import annotations

import time

import pytest

from headgate.errors import Refusal
from headgate.model import Principal
from headgate.reasons import Reason
from tests.support.forgeries import FORGERIES, Attack, Forgery, strangers_of
from tests.support.issued_tokens import AWS, GITHUB, Platform
from tests.support.issuers import Issuer
from tests.support.signing import new_key
from tests.support.token_gate import TokenGate, settings

NOW = time.time()
PLATFORMS = {"RS256": GITHUB, "ES384": AWS}
KEYS = {name: new_key("issuer-key-1", name) for name in PLATFORMS}
OTHER = new_key("other-key", "RS256")


class Scene:
    """A gate with two issuers, and what an attacker of the first one works with."""

    def __init__(self, algorithm: str) -> None:
        self.platform: Platform = PLATFORMS[algorithm]
        issuer = Issuer(self.platform.issuer, "https://one.example", KEYS[algorithm])
        other = Issuer("https://two.example", "https://two.example", OTHER)
        self.gate = TokenGate({"one": issuer, "two": other}, NOW)
        common = {"audience": (self.platform.audience,), "algorithms": (algorithm, "ES256")}
        self.gate.configure(
            {
                "one": settings(issuer.name, discovery_url=issuer.discovery_url, **common),
                "two": settings(other.name, **common),
            }
        )
        self.attack = Attack(self.platform, issuer, other, NOW)


@pytest.fixture(scope="module", params=PLATFORMS)
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(request.param)


@pytest.mark.parametrize("forgery", FORGERIES, ids=str)
def test_a_forgery_is_refused_with_its_code(scene: Scene, forgery: Forgery) -> None:
    """The sentence says what to do, and repeats nothing of the token."""
    token = forgery.make(scene.attack)
    # From an address of its own, so that the cap on verifications does not come first.
    refusal = scene.gate.refused(token, forgery.title)
    assert refusal.reason.value in forgery.reasons, refusal
    assert refusal.code == 401
    assert refusal.challenge
    assert refusal.message.startswith("Headgate refused the request: its token ")
    assert refusal.message.endswith(".")
    for part in token.split("."):
        assert len(part) < 8 or part not in refusal.message + refusal.detail


def test_each_reason_has_sentences_of_its_own(scene: Scene) -> None:
    said: dict[str, set[Reason]] = {}
    for forgery in FORGERIES:
        refusal = scene.gate.refused(forgery.make(scene.attack), forgery.title)
        said.setdefault(refusal.message, set()).add(refusal.reason)
    assert len(said) > 25
    assert all(len(reasons) == 1 for reasons in said.values())


def test_the_good_token_is_accepted(scene: Scene) -> None:
    principal = scene.gate.show(scene.attack.good())
    assert principal.issuer == "one"
    assert scene.gate.show(scene.attack.good(), basic=True) == principal or principal.credential


def test_strangers_hold_good_tokens_of_the_issuer(scene: Scene) -> None:
    """Without a rule about them they pass: what keeps them out is the rule."""
    for title, token in strangers_of(scene.attack).items():
        found = scene.gate.ask(token, title)
        assert isinstance(found, Principal | Refusal)


def test_garbage_is_no_defect(scene: Scene) -> None:
    for text in ("e..", "ey.ey.ey", "eyJ9..", "e" * 20_000 + "..", "eé.x.y", "e" + "." * 16_000):
        refusal = scene.gate.refused(text)
        assert refusal.reason is Reason.TOKEN_MALFORMED
