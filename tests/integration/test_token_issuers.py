"""What a running gate makes of time, of issuers that change their keys, and of those that fail."""

from __future__ import annotations

import base64
import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.issued_tokens import (
    AWS,
    ENTRA,
    GITHUB,
    GITLAB,
    GOOGLE,
    KUBERNETES,
    PLATFORMS,
    Platform,
)
from tests.support.issuers import Fault
from tests.support.raw import RawResponse, request_head
from tests.support.recipe_gate import POD_TOKEN, SEARCH, RecipeGate, running_recipe_gate, send
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed

MINUTE = 60
REFRESH_SECONDS = 10  # the shortest that the configuration allows
FETCH_SECONDS = 30.0  # for a fetch that is due in REFRESH_SECONDS, on a busy machine
FAULTS: Mapping[str, tuple[Fault, str]] = {
    "github": (Fault.ERROR, "responded 503"),
    "gitlab": (Fault.HTML, "is not JSON"),
    "cluster": (Fault.HUGE, "more than 1024 KiB"),
    "aws": (Fault.OTHER_ISSUER, "describes another issuer"),
    "entra": (Fault.NO_KEYS, "no key that can be used"),
    "entra-v1": (Fault.REDIRECT, "redirects to another place"),
    "google": (Fault.RESET, "cannot be fetched"),
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    """In the place of MLflow."""
    with RecordingUpstream(fixed(b'{"experiments":[]}')) as running:
        yield running


@pytest.fixture(scope="module")
def gate(
    upstream: RecordingUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RecipeGate]:
    """A gate with the issuers of all how-tos; it fetches GitHub's keys often."""
    environment = {"HEADGATE_AUTH__ISSUERS__GITHUB__REFRESH_INTERVAL": str(REFRESH_SECONDS)}
    folder = tmp_path_factory.mktemp("issuers")
    with running_recipe_gate(folder, upstream.url, environment=environment) as running:
        yield running


def reason(response: RawResponse) -> str:
    """The reason code of a response."""
    return response.get("x-headgate-reason") or "ok"


def health(gate: RecipeGate, key: str) -> dict[str, Any]:
    """What ``/-/health`` says of each issuer, by name."""
    page = json.loads(gate.gate.ask("GET", "/-/health", key=key).body)
    return {each["name"]: each for each in page["issuers"]}


# --- time --------------------------------------------------------------------------------------


def test_a_token_that_expires_on_a_kept_connection_is_refused(gate: RecipeGate) -> None:
    with gate.connect() as client:
        assert reason(send(client, gate.token(GITHUB))) == "ok"  # its keys are there
        expires = int(time.time()) + 3
        token = gate.token(GITHUB, {"exp": expires})
        seen: list[tuple[float, str, float]] = []
        # A few refusals are enough: too many from one address are throttled.
        while len([code for _, code, _ in seen if code != "ok"]) < 5:
            seen.append((time.time(), reason(send(client, token)), time.time()))
        # A token renewed is good on the same connection.
        assert reason(send(client, gate.token(GITHUB))) == "ok"
    # To the instant, as the clock stood when the request was sent and when the response came.
    assert {code for _, code, received in seen if received < expires} == {"ok"}
    assert {code for sent, code, _ in seen if sent >= expires} == {"token_expired"}


@pytest.mark.parametrize(
    ("platform", "ahead", "expected"),
    [
        (GITHUB, 10 * MINUTE, "token_not_yet_valid"),
        (KUBERNETES, 10 * MINUTE, "token_not_yet_valid"),
        (KUBERNETES, 0.5 * MINUTE, "ok"),
        (KUBERNETES, -10 * MINUTE, "ok"),  # it lives an hour
        (GITHUB, -10 * MINUTE, "token_expired"),  # and this one five minutes
    ],
    ids=lambda each: each.name if isinstance(each, Platform) else str(each),
)
def test_the_clock_of_an_issuer_is_wrong(
    gate: RecipeGate, platform: Platform, ahead: float, expected: str
) -> None:
    token = platform.token(gate.issuers[platform.setting], time.time() + ahead)
    response = gate.ask(token)
    assert reason(response) == expected
    if expected == "token_not_yet_valid":
        assert "10 minutes in the future" in json.loads(response.body)["message"]


# --- how it is shown ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field",
    [
        lambda token: (
            "Authorization: Basic " + base64.b64encode(f"anybody:{token}".encode()).decode()
        ),
        lambda token: f"X-API-Key: {token}",
        lambda token: f"authorization: BEARER {token}",
    ],
    ids=["Basic", "X-API-Key", "BEARER"],
)
def test_a_token_may_stand_wherever_a_key_may(
    gate: RecipeGate, field: Callable[[str], str]
) -> None:
    with gate.connect() as client:
        client.send(request_head("GET", SEARCH, field(gate.token(AWS))))
        assert client.response().status == 200


def test_a_huge_token_is_refused(gate: RecipeGate) -> None:
    token = gate.token(GITLAB, {"groups_direct": ["group/subgroup"] * 5_000})
    assert reason(gate.ask(token)) == "token_malformed"
    token = gate.token(GITLAB, {"groups_direct": ["group/subgroup"] * 20_000})
    assert gate.ask(token).status in (400, 431)


def test_a_token_between_others_is_ambiguous(gate: RecipeGate) -> None:
    fields = (f"X-API-Key: {gate.token(GITHUB)}", f"Authorization: Bearer {gate.token(GITLAB)}")
    with gate.connect() as client:
        client.send(request_head("GET", SEARCH, *fields))
        assert reason(client.response()) == "unauthenticated"


def test_no_token_is_logged(gate: RecipeGate) -> None:
    good, bad = gate.token(GITHUB), gate.attack(GITHUB).with_claims(aud="https://other.example")
    gate.ask(good)
    gate.ask(bad)
    gate.ask(good, f"/api/2.0/{good}?token={good}")
    gate.gate.outcome(lambda line: "eyJ***" in line["path"])
    logged = gate.gate.process.output.read_text() + gate.gate.process.errors.read_text()
    for token in (good, bad):
        assert not any(part in logged for part in token.split("."))


# --- keys --------------------------------------------------------------------------------------


def test_the_token_of_the_gates_pod_is_shown_to_the_api_server_alone(gate: RecipeGate) -> None:
    assert gate.ask(gate.token(KUBERNETES)).status == 200
    shown = {
        name: [each.get("authorization") for each in issuer.shown]
        for name, issuer in gate.issuers.items()
    }
    assert set(shown.pop("cluster")) == {f"Bearer {POD_TOKEN}"}
    assert {each for fields in shown.values() for each in fields} == {None}


def test_keys_are_replaced_and_then_out_of_reach(gate: RecipeGate) -> None:
    """A story of one issuer: it changes its key, withdraws the old one, and falls silent."""
    admin = gate.gate.create_key("admin", ("admin",))
    issuer = gate.issuers["github"]
    old = gate.token(GITHUB)
    wait = gate.gate.process.wait_until
    wait(lambda: gate.gate.ask("GET", SEARCH, key=admin).status == 200 or None, "a key", 10)
    with gate.connect() as client:
        assert reason(send(client, old)) == "ok"

        issuer.rotate("github-key-2", keep=False)
        new = gate.token(GITHUB)
        wait(lambda: reason(gate.ask(new)) == "ok" or None, "the new key", FETCH_SECONDS)
        # What was signed with the key that is gone ends on a kept connection too.
        assert reason(send(client, old)) == "token_key_unknown"

    issuer.fault = Fault.ERROR
    before = wait(lambda: _failing(gate, admin), "an outage that is noticed", FETCH_SECONDS)
    assert "responded 503" in before["failing"]
    assert reason(gate.ask(gate.token(GITHUB))) == "ok"
    after = health(gate, admin)["github"]
    assert after["age_seconds"] > before["age_seconds"]
    assert after["keys"] == 1


def _failing(gate: RecipeGate, key: str) -> dict[str, Any] | None:
    found: dict[str, Any] = health(gate, key)["github"]
    return found if found["failing"] else None


# --- faults ------------------------------------------------------------------------------------


def test_issuers_that_fail_while_the_gate_starts(
    upstream: RecordingUpstream, tmp_path: Path
) -> None:
    """Each in its own way: the gate says so, serves keys, and recovers by itself."""
    faults = {name: fault for name, (fault, _) in FAULTS.items()}
    with running_recipe_gate(tmp_path, upstream.url, faults=faults) as gate:
        admin = gate.gate.create_key("admin", ("admin",))
        wait = gate.gate.process.wait_until
        wait(lambda: gate.gate.ask("GET", SEARCH, key=admin).status == 200 or None, "a key", 10)
        for platform in PLATFORMS:
            response = gate.ask(gate.token(platform))
            assert (response.status, reason(response)) == (503, "issuer_unavailable")
            assert int(response.get("retry-after") or "0") >= 1
        shown = health(gate, admin)
        for name, (_, why) in FAULTS.items():
            assert why in shown[name]["failing"], shown[name]
            assert (shown[name]["keys"], shown[name]["age_seconds"]) == (0, None)

        for issuer in gate.issuers.values():
            issuer.fault = Fault.NONE
        for platform in PLATFORMS:
            token = gate.token(platform)
            wait(lambda token=token: gate.ask(token).status == 200 or None, platform.name, 30)  # type: ignore[misc]
        assert not any(each["failing"] for each in health(gate, admin).values())


# --- changed configurations --------------------------------------------------------------------


def test_a_reload_takes_access_away_on_kept_connections(
    upstream: RecordingUpstream, tmp_path: Path
) -> None:
    with running_recipe_gate(tmp_path, upstream.url) as gate:
        github, google, entra = (gate.token(each) for each in (GITHUB, GOOGLE, ENTRA))
        with gate.connect() as one, gate.connect() as two, gate.connect() as three:
            tokens = ((one, github), (two, google), (three, entra))
            assert [reason(send(*each)) for each in tokens] == ["ok"] * 3

            file = tmp_path / "headgate.toml"
            text = file.read_text()
            text = text.replace('ref = "refs/heads/main"', 'ref = "refs/heads/release"')
            text = text.replace('display_name = "email"', 'denied = ["102817471284392839103"]')
            file.write_text(text)
            gate.gate.process.signal(signal.SIGHUP)
            wait = gate.gate.process.wait_until
            wait(lambda: reason(send(one, github)) == "token_rule" or None, "the reload", 10)
            assert reason(send(two, google)) == "principal_disabled"
            assert reason(send(three, entra)) == "ok"
