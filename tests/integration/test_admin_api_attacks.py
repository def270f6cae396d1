"""Attempts to get more out of the admin API than one was given, at a real gate."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.gate import Gate, create_key, running_gate
from tests.support.raw import RawResponse

API = "/-/api/v1"
JSON = "Content-Type: application/json"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return []


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, root: list[str]) -> Iterator[Gate]:
    folder = tmp_path_factory.mktemp("gate")
    root.append(create_key(folder / "data", "root", ["admin"]))
    settings = {
        "HEADGATE_ROLES__CLERK__GRANTS": "administer:gate, read:gate",
        "HEADGATE_LIMITS__FAILED_AUTHENTICATIONS": "1000/s",  # the tests wait for new keys
    }
    with running_gate(folder, "http://127.0.0.1:9", settings) as running:
        yield running


class Attacker:
    """Sends requests with one key."""

    def __init__(self, gate: Gate, key: str) -> None:
        self.gate = gate
        self.key = key

    def send(
        self, method: str, path: str, body: object = None, *fields: str, at: str = API
    ) -> RawResponse:
        content = b"" if body is None else json.dumps(body).encode()
        kind = () if body is None else (JSON,)
        return self.gate.ask(method, f"{at}/{path}", *kind, *fields, key=self.key, body=content)

    def get(self, path: str) -> Any:
        response = self.send("GET", path)
        assert response.status == 200, response.body
        return json.loads(response.body)


@pytest.fixture
def admin(gate: Gate, root: list[str]) -> Attacker:
    return Attacker(gate, root[0])


@pytest.fixture
def key_of(gate: Gate, admin: Attacker, request: pytest.FixtureRequest) -> Any:
    """Makes a key and waits until the gate accepts it."""
    made: list[str] = []

    def make(**fields: object) -> Attacker:
        name = f"{request.node.name[:60]}-{len(made)}"
        response = admin.send("POST", "keys", {"name": name, **fields})
        assert response.status == 201, response.body
        attacker = Attacker(gate, json.loads(response.body)["secret"])
        gate.process.wait_until(
            lambda: attacker.send("GET", "me").status == 200 or None, "the key", 5.0
        )
        made.append(name)
        return attacker

    return make


def root_id(admin: Attacker) -> str:
    found: str = admin.get("me")["credential"]
    return found


def test_a_narrowed_administrator_has_what_is_left(admin: Attacker, key_of: Any) -> None:
    narrowed = key_of(roles=["admin"], narrowing=["administer:gate", "read:gate", "read:runs"])
    assert set(narrowed.get("me")["grants"]) == {"administer:gate", "read:gate", "read:runs"}
    own = narrowed.get("me")["credential"]
    for method, path, body in (
        ("PATCH", f"keys/{own}", {"narrowing": []}),
        ("PATCH", f"keys/{own}", {"narrowing": ["*:*"]}),
        ("POST", f"keys/{own}/rotate", {}),
        ("POST", f"keys/{root_id(admin)}/rotate", {}),
        ("POST", "keys", {"name": "wider", "roles": ["admin"]}),
        ("POST", "keys", {"name": "wider", "roles": ["viewer"]}),
        ("POST", "principals", {"name": "wider", "roles": ["admin"]}),
        ("POST", "keys/break-glass", {"reason": "let me in"}),
    ):
        response = narrowed.send(method, path, body)
        assert response.status == 403, (path, response.body)


def test_a_clerk_cannot_make_an_administrator(admin: Attacker, key_of: Any) -> None:
    clerk = key_of(roles=["clerk"])
    root = root_id(admin)
    owner = admin.get(f"keys/{root}")["key"]["principal"]["id"]
    for method, path, body in (
        ("POST", f"keys/{root}/rotate", {}),
        ("PATCH", f"keys/{root}", {"roles": ["clerk"]}),
        ("PATCH", f"principals/{owner}", {"roles": ["clerk"]}),
        ("POST", "keys", {"name": "mine", "principal": owner, "roles": ["clerk"]}),
        ("POST", "keys", {"name": "mine", "roles": ["admin"]}),
        ("POST", "keys/break-glass", {"reason": "let me in"}),
    ):
        response = clerk.send(method, path, body)
        assert response.status == 403, (path, response.body)
    assert clerk.send("POST", "keys", {"name": "another-clerk", "roles": ["clerk"]}).status == 201


@pytest.mark.parametrize(
    "spelling",
    [
        *("X-Headgate-Sender", "x-headgate-sender", "X_Headgate_Sender", "X.Headgate.Sender"),
        *("X-HEADGATE-SENDER", "X-Headgate_Sender", "x~headgate~sender"),
    ],
)
def test_nobody_says_themselves_who_they_are(key_of: Any, spelling: str) -> None:
    viewer = key_of(roles=["viewer"])
    claim = json.dumps(
        {
            "id": "p_00000000",
            "name": "root",
            "method": "key",
            "issuer": "",
            "credential": "k_00000000",
            "roles": ["admin"],
            "grants": ["*:*"],
        }
    )
    response = viewer.send("GET", "me", None, f"{spelling}: {claim}")
    assert response.status == 200
    assert "*:*" not in json.loads(response.body)["grants"]
    for field in (
        f"{spelling}: {claim}",
        "X-Headgate-May: administer",
        "X_Headgate_May: administer",
    ):
        assert viewer.send("POST", "keys", {"name": "x"}, field).status == 403


@pytest.mark.parametrize(
    "field",
    [
        "X-HTTP-Method-Override: POST",
        "X-HTTP-Method: POST",
        "X-Method-Override: POST",
        "X_HTTP_Method_Override: POST",
    ],
)
def test_a_method_is_what_the_request_line_says(key_of: Any, admin: Attacker, field: str) -> None:
    viewer = key_of(roles=["viewer"])
    before = len(admin.get("keys?limit=1000")["keys"])
    assert viewer.send("GET", "keys", None, field).status == 200
    assert admin.send("GET", f"keys/{root_id(admin)}/revoke", None, field).status == 405
    assert len(admin.get("keys?limit=1000")["keys"]) == before


@pytest.mark.parametrize(
    "path",
    [
        *("keys/..", "keys/../keys", "keys/./k_00000000", "keys//k_00000000", "keys/%2e%2e/me"),
        *(
            "keys/k_00000000%2frevoke",
            "keys/k_00000000%2Frotate",
            "keys%2fimport",
            "me%00",
            "me;x=1",
        ),
        *("keys\\..\\me", "keys/k_00000000%5crevoke", "keys/%252e%252e/me", "keys/", "me/", "Me"),
    ],
)
def test_a_path_means_one_thing_or_nothing(admin: Attacker, path: str) -> None:
    for method in ("GET", "POST"):
        assert admin.send(method, path).status in {400, 404, 405}


def test_every_public_prefix_leads_to_the_same_rules(key_of: Any, admin: Attacker) -> None:
    viewer = key_of(roles=["viewer"])
    for prefix in ("", "/mlflow", "/api/mlflow"):
        assert admin.send("GET", "keys", at=prefix + API).status == 200
        assert viewer.send("POST", "keys", {"name": "x"}, at=prefix + API).status == 403
        assert admin.gate.ask("GET", f"{prefix}{API}/keys").status == 401


def test_a_page_of_another_site_writes_nothing(admin: Attacker) -> None:
    for field in ("Origin: https://evil.example", "Origin: null"):
        response = admin.send("POST", "keys", {"name": "csrf"}, field)
        assert response.status == 403
    assert admin.get("keys?name=csrf")["keys"] == []


def test_bodies_are_held_to_their_limit(admin: Attacker) -> None:
    response = admin.send("POST", "keys", {"name": "a" * 300_000})
    assert (response.status, response.get("x-headgate-reason")) == (413, "body_too_large")


def test_a_get_with_a_body_is_refused(admin: Attacker) -> None:
    assert admin.send("GET", "keys", {"name": "x"}).status == 400


def test_head_has_no_body_and_the_same_status(admin: Attacker) -> None:
    response = admin.send("HEAD", "keys")
    assert (response.status, response.body) == (200, b"")


def test_a_race_for_a_name_has_one_winner(admin: Attacker) -> None:
    """Each on a connection of its own; the others get 409."""
    statuses: list[int] = []

    def create() -> None:
        statuses.append(admin.send("POST", "principals", {"name": "the-one"}).status)

    threads = [threading.Thread(target=create) for _ in range(12)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(statuses) == [201] + [409] * 11
    assert len(admin.get("principals?name=the-one")["principals"]) == 1


def test_who_is_disabled_is_out_everywhere(admin: Attacker, key_of: Any) -> None:
    clerk = key_of(roles=["clerk"])
    owner = clerk.get("me")["principal_id"]
    assert admin.send("POST", f"principals/{owner}/disable", {}).status == 200
    response = clerk.gate.process.wait_until(
        lambda: found if (found := clerk.send("GET", "me")).status != 200 else None, "the end", 5.0
    )
    assert (response.status, response.get("x-headgate-reason")) == (401, "principal_disabled")
