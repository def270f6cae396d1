"""Tokens of strangers, changed tokens and forged ones, at a gate configured as the how-tos say.

One gate has all issuers.  Each token has one thing wrong with it, and none of them reaches MLflow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import unquote

import pytest

from tests.support.forgeries import FORGERIES, Forgery
from tests.support.issued_tokens import PLATFORMS, Platform
from tests.support.recipe_gate import RecipeGate, running_recipe_gate
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    """In the place of MLflow: it knows what has reached it."""
    with RecordingUpstream(fixed(b'{"experiments":[]}')) as running:
        yield running


@pytest.fixture(scope="module")
def gate(
    upstream: RecordingUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RecipeGate]:
    """A gate with the issuers of all how-tos."""
    with running_recipe_gate(tmp_path_factory.mktemp("tokens"), upstream.url) as running:
        yield running


def refused(gate: RecipeGate, token: str) -> tuple[str, str]:
    """The reason and the message with which a token is refused."""
    response = gate.ask(token)
    message = json.loads(response.body)["message"]
    assert response.status == 401, (response.status, message)
    assert response.get("www-authenticate") is not None
    return response.get("x-headgate-reason") or "", message


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda each: each.name)
def test_a_good_token_is_accepted(gate: RecipeGate, platform: Platform) -> None:
    response = gate.ask(gate.token(platform))
    assert response.status == 200, response
    request = response.get("x-request-id")
    line = gate.gate.outcome(lambda line: line["request_id"] == request)
    assert unquote(line["principal_id"]) == platform.principal


@pytest.mark.parametrize("forgery", FORGERIES, ids=str)
@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda each: each.name)
def test_a_forgery_is_refused(
    gate: RecipeGate, upstream: RecordingUpstream, platform: Platform, forgery: Forgery
) -> None:
    token = forgery.make(gate.attack(platform))
    received = sum(map(len, upstream.received))
    reason, message = refused(gate, token)
    assert sum(map(len, upstream.received)) == received
    assert reason in forgery.reasons, message
    assert "Headgate refused" in message
    signature = token.rpartition(".")[2]
    assert len(signature) < 8 or signature not in message


@pytest.mark.parametrize(
    ("platform", "title"),
    [(platform, title) for platform in PLATFORMS for title in platform.strangers],
    ids=lambda each: each.name if isinstance(each, Platform) else each,
)
def test_a_stranger_at_the_same_issuer_is_refused(
    gate: RecipeGate, platform: Platform, title: str
) -> None:
    changes = platform.strangers[title]
    expected = "token_issuer" if "iss" in changes else "token_rule"
    reason, message = refused(gate, gate.token(platform, changes))
    assert reason == expected, message
