"""What the admin API does, for whom, and what it refuses."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from headgate.errors import HeadgateError
from headgate.events import Administered, AdministrationFailed, Change, Event
from headgate.identity import Actor
from headgate.stores.identity import Transaction
from headgate.stores.records import KeyUse
from headgate.testing.key_store import MemoryIdentityStore
from tests.unit.control.api.stand import (
    ADMIN,
    GATEKEEPER,
    VIEWER,
    Stand,
    header_lines,
    sender,
)

SHA256 = hashlib.sha256(b"a key from elsewhere").hexdigest()


def test_a_created_key_is_returned_once_and_listed_without_its_secret() -> None:
    stand = Stand()
    made = stand.ask("POST", "keys", {"name": "ci", "roles": ["writer"]})
    assert (made.status, made.reason) == (201, "ok")
    assert made.headers["cache-control"] == "no-store"
    secret = made.body["secret"]
    assert secret.startswith("hg_")
    key = made.body["key"]
    assert (key["name"], key["roles"], key["created_by"]) == ("ci", ["writer"], "p_root0001")
    listed = stand.ask("GET", "keys")
    assert [each["id"] for each in listed.body["keys"]] == [key["id"]]
    shown = stand.ask("GET", f"keys/{key['id']}")
    for other in (listed, shown):
        assert secret not in json.dumps(other.body)


def test_no_event_has_a_secret() -> None:
    stand = Stand()
    made = stand.ask("POST", "keys", {"name": "ci"}).body
    rotated = stand.ask("POST", f"keys/{made['key']['id']}/rotate").body
    glass = stand.ask("POST", "keys/break-glass", {"reason": "the registry is down"}).body
    told = " ".join(f"{each.message()} {each.fields()}" for each in stand.events)
    for each in (made, rotated, glass):
        assert each["key"]["id"] in told
        assert each["secret"] not in told


def test_each_change_is_an_event_with_who_did_it() -> None:
    stand = Stand()
    key = stand.ask("POST", "keys", {"name": "ci"}).body["key"]
    at = f"keys/{key['id']}"
    assert stand.ask("PATCH", at, {"description": "builds"}).status == 200
    assert stand.ask("POST", f"{at}/expire", {"expires_at": "2027-06-01T00:00:00Z"}).status == 200
    assert stand.ask("POST", f"{at}/rotate", {"overlap": 60}).status == 201
    assert stand.ask("POST", f"{at}/revoke").status == 200
    assert stand.ask("POST", f"{at}/revoke").body["was_revoked"] is True  # no second event
    imported = {"keys": [{"name": "laptop", "sha256": SHA256}]}
    assert stand.ask("POST", "keys/import", imported).status == 201
    assert stand.ask("POST", "keys/break-glass", {"reason": "fire"}).status == 201
    team = stand.ask("POST", "principals", {"name": "team"}).body["principal"]
    of_team = f"principals/{team['id']}"
    assert stand.ask("PATCH", of_team, {"name": "team-a"}).status == 200
    assert stand.ask("POST", f"{of_team}/disable").status == 200
    assert stand.ask("POST", f"{of_team}/enable").status == 200
    changes = [each.change for each in stand.events if isinstance(each, Administered)]
    assert changes == [
        Change.KEY_CREATED,
        Change.KEY_CHANGED,
        Change.KEY_EXPIRY_SET,
        Change.KEY_ROTATED,
        Change.KEY_REVOKED,
        Change.KEY_IMPORTED,
        Change.BREAK_GLASS_CREATED,
        Change.PRINCIPAL_CREATED,
        Change.PRINCIPAL_CHANGED,
        Change.PRINCIPAL_DISABLED,
        Change.PRINCIPAL_ENABLED,
    ]
    for each in stand.events:
        assert isinstance(each, Administered)
        assert (each.actor, each.actor_id) == ("root", "p_root0001")
        assert each.credential == "k_root0001"


def test_a_refused_change_is_no_event() -> None:
    stand = Stand()
    assert (
        stand.ask("POST", "keys", {"name": "x", "roles": ["admin"]}, who=GATEKEEPER).status == 403
    )
    assert stand.events == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "keys", {"name": "x"}),
        ("POST", "keys/import", {"keys": [{"name": "x", "sha256": SHA256}]}),
        ("POST", "keys/break-glass", {"reason": "because"}),
        ("POST", "keys/{key}/rotate", None),
        ("POST", "keys/{key}/revoke", None),
        ("POST", "keys/{key}/expire", {"expires_at": "never"}),
        ("PATCH", "keys/{key}", {"roles": ["viewer"]}),
        ("POST", "principals", {"name": "x"}),
        ("PATCH", "principals/{principal}", {"roles": ["viewer"]}),
        ("POST", "principals/{principal}/disable", None),
        ("POST", "principals/{principal}/enable", None),
    ],
)
def test_a_viewer_changes_nothing_even_if_the_gate_let_the_request_pass(
    method: str, path: str, body: object
) -> None:
    """The rules of ``headgate.identity`` hold beside the contract's."""
    stand = Stand()
    principal = stand.principal("team")
    key = stand.key("ci", principal="team")
    reply = stand.ask(method, path.format(key=key, principal=principal), body, who=VIEWER)
    assert (reply.status, reply.reason) == (403, "forbidden")
    assert stand.events == []


def test_who_administers_the_gate_gives_no_more_than_they_have() -> None:
    stand = Stand()
    root = stand.key("root", "admin")
    at = f"keys/{root}"
    for method, path, body in (
        ("POST", "keys", {"name": "mine", "roles": ["admin"]}),
        ("POST", "keys", {"name": "mine", "principal": "root"}),
        (
            "POST",
            "keys/import",
            {"keys": [{"name": "mine", "principal": "root", "sha256": SHA256}]},
        ),
        ("POST", "keys/break-glass", {"reason": "because"}),
        ("POST", f"{at}/rotate", None),
        ("POST", f"{at}/expire", {"expires_at": "never"}),
        ("PATCH", at, {"narrowing": []}),
        ("PATCH", at, {"roles": ["gatekeeper"]}),
        ("POST", "principals", {"name": "mine", "roles": ["admin"]}),
    ):
        reply = stand.ask(method, path, body, who=GATEKEEPER)
        assert reply.status in {403, 409, 422}, (path, reply.body)
        if path != f"{at}/expire":  # it has no end to put off
            assert reply.status == 403, (path, reply.body)
    assert len(stand.administration.keys(Actor.operator("test")).keys) == 1


def test_a_narrowed_administrator_is_held_to_the_narrowing() -> None:
    """The key's roles are those of an administrator; what counts is what is left of them."""
    stand = Stand()
    narrowed = sender("registrar", name="narrow")
    assert stand.ask("POST", "keys", {"name": "x", "roles": ["viewer"]}, who=narrowed).status == 201
    reply = stand.ask("POST", "keys", {"name": "y", "roles": ["writer"]}, who=narrowed)
    assert (reply.status, reply.reason) == (403, "forbidden")


def test_anybody_with_the_grant_may_revoke_and_disable() -> None:
    """It takes no rights from anybody, and somebody has to be able to do it soon."""
    stand = Stand()
    root = stand.key("root", "admin")
    assert stand.ask("POST", f"keys/{root}/revoke", who=GATEKEEPER).status == 200


def test_lists_have_pages() -> None:
    stand = Stand()
    stand.principal("team", "admin")
    made = [stand.key(f"key-{at}", principal="team") for at in range(7)]
    found: list[str] = []
    cursor = ""
    pages = 0
    while True:
        reply = stand.ask("GET", f"keys?limit=3{cursor}")
        found += [each["id"] for each in reply.body["keys"]]
        pages += 1
        if reply.body["next_cursor"] is None:
            break
        cursor = f"&cursor={reply.body['next_cursor']}"
    assert (found, pages) == (made, 3)
    assert stand.ask("GET", "keys?limit=7").body["next_cursor"] is None
    for cursor in ("k_00000000", "-1", "1.0", "9" * 19, "p1"):
        assert stand.ask("GET", f"keys?cursor={cursor}").status == 422
    for cursor in ("1", "x1", "p", "p-1", "p" + "9" * 19):
        assert stand.ask("GET", f"principals?cursor={cursor}").status == 422
    assert stand.ask("GET", "principals?limit=1").body["next_cursor"] is None


def test_lists_are_filtered() -> None:
    stand = Stand()
    stand.principal("team", "admin")
    kept, revoked = stand.key("a", principal="team"), stand.key("b")
    assert stand.ask("POST", f"keys/{revoked}/revoke").status == 200

    def ids(query: str) -> list[str]:
        return [each["id"] for each in stand.ask("GET", f"keys?{query}").body["keys"]]

    assert ids("state=active") == [kept]
    assert ids("state=revoked") == [revoked]
    assert ids("principal=team") == [kept]
    assert ids("name=b") == [revoked]
    assert ids("name=b&state=active") == []
    assert stand.ask("GET", "keys?principal=nobody").status == 404
    named = stand.ask("GET", "principals?name=team").body["principals"]
    assert [each["name"] for each in named] == ["team"]


def test_from_where_a_key_was_used_is_for_administrators() -> None:
    stand = Stand()
    key = stand.key("ci")
    stand.store.record_uses([KeyUse(key, 1_799_999_000, "192.0.2.7")])
    assert stand.ask("GET", f"keys/{key}").body["key"]["last_used"]["address"] == "192.0.2.7"
    shown = stand.ask("GET", f"keys/{key}", who=VIEWER).body["key"]["last_used"]
    assert shown == {"at": "2027-01-15T07:43:20Z", "address": ""}


def test_everybody_sees_who_they_are() -> None:
    stand = Stand()
    key = stand.key("ci", "writer")
    nobody = sender(name="ci", key=key)
    me = stand.ask("GET", "me", who=nobody)
    assert me.status == 200
    assert (me.body["principal"], me.body["grants"]) == ("ci", [])
    assert me.body["key"]["id"] == key
    stand.broken = HeadgateError("disk I/O error")
    other = Stand(broken=stand.broken)
    assert other.ask("GET", "me", who=nobody).body["key"] is None


def test_roles_in_force_are_shown() -> None:
    roles = {each["name"]: each for each in Stand().ask("GET", "roles").body["roles"]}
    assert roles["admin"] == {
        "name": "admin",
        "built_in": True,
        "meaning": "Allows everything.",
        "grants": ["*:*"],
        "includes": [],
        "all_grants": ["*:*"],
    }
    own = roles["registrar"]
    assert (own["built_in"], own["includes"]) == (False, ["viewer"])
    assert {"administer:gate", "read:runs"} <= set(own["all_grants"])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"name":"a","name":"b"}', '"name" twice'),
        (b'{"name":"a","roles":["viewer"],"r\\u006fles":["admin"]}', '"roles" twice'),
        (b"", "not JSON"),
        (b"[]", "an object"),
        (b'"name"', "an object"),
        (b'{"name":1}', "'name'"),
        (b'{"name":null}', "'name'"),
        (b'{"name":""}', "'name'"),
        (b'{"name":"a","nmae":"b"}', "'nmae' is not known"),
        (b'{"name":"a","roles":"admin"}', "'roles'"),
        (b'{"name":"a","roles":[1]}', "'roles.0'"),
        (b'{"name":"a","roles":{"0":"admin"}}', "'roles'"),
        (b'{"name":"a","expires_at":5}', "'expires_at'"),
        (b'{"name":"a","expires_at":"tomorrow"}', "'expires_at'"),
        (b'{"name":"a","expires_at":"2027-02-30T00:00:00Z"}', "'expires_at'"),
        (b'{"name":"a","expires_at":"2027-02-03T00:00:00"}', "'expires_at'"),
        (b'{"name":"a","widen_account":"true"}', "'widen_account'"),
        (b'{"name":"a"', "not JSON"),
        (b'{"name":"a"} {}', "not JSON"),
        (b'{"name":"a",}', "not JSON"),
        (b'{"name":"\xff"}', "not UTF-8"),
        (b'\xef\xbb\xbf{"name":"a"}', "not JSON"),
        (b'{"name":"\\ud800"}', "surrogate"),
        (b'{"name":NaN}', "NaN"),
        (b'{"name":' + b"1" * 5000 + b"}", "too long"),
        (b"[" * 100_000, "too deeply"),
        (b'{"name":"' + b"a" * 101 + b'"}', "'name'"),
    ],
)
def test_an_unclear_body_is_refused(body: bytes, words: str) -> None:
    stand = Stand()
    reply = stand.ask("POST", "keys", raw=body)
    assert (reply.status, reply.reason) == (400, "request_invalid")
    assert reply.body["error_code"] == "INVALID_PARAMETER_VALUE"
    assert words in reply.body["message"]
    assert stand.events == []


@pytest.mark.parametrize(
    "fields",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": ""},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Encoding": "gzip"},
    ],
)
def test_a_body_of_another_kind_is_refused(fields: dict[str, str]) -> None:
    reply = Stand().ask("POST", "keys", raw=b'{"name":"a"}', headers=fields)
    assert (reply.status, reply.reason) == (400, "request_invalid")


def test_a_charset_that_json_has_anyway_is_taken() -> None:
    fields = {"Content-Type": 'Application/JSON; Charset="UTF-8"'}
    assert Stand().ask("POST", "keys", raw=b'{"name":"a"}', headers=fields).status == 201


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=1001", "limit=-1", "limit=1_0", "limit=%201", "limit=", "limit=1.0"),
        *("limit=1&limit=2", "lmit=5", "state=gone", "state=", "name=%ff", "a", "&", "x=1" * 3),
        *("name=" + "a" * 101, "&".join(f"x{at}=1" for at in range(30))),
    ],
)
def test_an_unclear_query_is_refused(query: str) -> None:
    reply = Stand().ask("GET", f"keys?{query}")
    assert (reply.status, reply.reason) == (400, "request_invalid")


@pytest.mark.parametrize("path", ["me?x=1", "roles?x=1", "openapi.json?x=1"])
def test_a_query_where_none_is_taken_is_refused(path: str) -> None:
    assert Stand().ask("GET", path).status == 400


@pytest.mark.parametrize("target", ["ci", "k_", "k_123", "p_alice001", "k_00000000", "..."])
def test_what_is_no_id_of_a_key_is_not_found(target: str) -> None:
    stand = Stand()
    stand.key("ci")
    reply = stand.ask("GET", f"keys/{target}")
    assert (reply.status, reply.reason) == (404, "not_found")


def test_what_the_rules_do_not_allow_is_422() -> None:
    stand = Stand()
    for body in ({"name": "x", "roles": ["no-such"]}, {"name": "x", "narrowing": ["read:nothing"]}):
        reply = stand.ask("POST", "keys", body)
        assert (reply.status, reply.reason) == (422, "request_invalid")


def test_two_creations_under_one_name_leave_one_key() -> None:
    stand = Stand()
    replies = stand.ask_all([("POST", "keys", {"name": "ci"})] * 8)
    assert sorted(each.status for each in replies) == [201] + [409] * 7
    assert len(stand.ask("GET", "keys").body["keys"]) == 1


def test_a_store_that_is_down_is_said_so() -> None:
    down = HeadgateError("the database db.internal:5432 refuses connections")
    stand = Stand(broken=down)
    for method, path, body in (("GET", "keys", None), ("POST", "keys", {"name": "ci"})):
        reply = stand.ask(method, path, body)
        assert (reply.status, reply.reason) == (503, "store_unavailable")
        assert "nothing was done" in reply.body["message"]
        assert "db.internal" not in reply.body["message"]
        assert int(reply.headers["retry-after"]) > 0
    (first, _) = stand.events
    assert isinstance(first, AdministrationFailed)
    assert "db.internal" in first.message()
    stand.broken = None
    assert stand.ask("POST", "keys", {"name": "ci"}).status == 201


def test_a_store_that_fails_before_the_change_is_kept_has_changed_nothing() -> None:
    stand = Stand()
    assert stand.ask("GET", "keys").status == 200
    stand.store.failure = HeadgateError("disk I/O error")
    for method, path, body in (("GET", "keys", None), ("POST", "keys", {"name": "ci"})):
        reply = stand.ask(method, path, body)
        assert (reply.status, reply.reason) == (503, "store_unavailable")
        assert "nothing was done" in reply.body["message"]


def test_a_store_that_fails_while_it_keeps_a_change_leaves_open_what_was_done() -> None:
    class Failing(MemoryIdentityStore):
        @contextlib.contextmanager
        def transaction(self) -> Iterator[Transaction]:
            with super().transaction() as transaction:
                yield transaction
                raise HeadgateError("the connection was lost")

    stand = Stand(store=Failing())
    reply = stand.ask("POST", "keys", {"name": "ci"})
    assert (reply.status, reply.reason) == (503, "store_unavailable")
    assert "cannot say whether it was made" in reply.body["message"]


def test_a_change_that_is_made_too_late_is_an_event_all_the_same() -> None:
    release = threading.Event()

    class Slow(MemoryIdentityStore):
        @contextlib.contextmanager
        def transaction(self) -> Iterator[Transaction]:
            release.wait(30)
            with super().transaction() as transaction:
                yield transaction

    stand = Stand(store=Slow(), timeout=0.05)
    noted = asyncio.Event()

    def emit(event: Event) -> None:
        stand.events.append(event)
        if isinstance(event, Administered):
            noted.set()

    stand.facts = replace(stand.facts, emit=emit)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(stand.app())
        async with httpx.AsyncClient(transport=transport, base_url="http://gate") as client:
            response = await client.post(
                "/-/api/v1/keys", json={"name": "ci"}, headers=header_lines(ADMIN)
            )
        release.set()
        async with asyncio.timeout(30):
            await noted.wait()
        return response

    assert asyncio.run(ask()).status_code == 503
    failed, made = stand.events
    assert isinstance(failed, AdministrationFailed)
    assert isinstance(made, Administered)
    assert (made.change, made.target) == (Change.KEY_CREATED, "ci")


def test_a_gate_without_keys_has_nothing_to_administer() -> None:
    stand = Stand()
    stand.facts = type(stand.facts)(in_force=stand.facts.in_force, store=None)
    assert stand.ask("GET", "keys").status == 409
    assert stand.ask("GET", "me").status == 200
    assert stand.ask("GET", "roles").status == 200
