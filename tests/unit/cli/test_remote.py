"""A command cannot tell whether it works on a store or through a gate."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Mapping

import pytest

from headgate.cli.gate_api import GateApi, Response
from headgate.cli.remote import GateClient
from headgate.errors import HeadgateError
from headgate.identity import (
    Actor,
    Administration,
    BreakGlass,
    IdentityClient,
    ImportedKey,
    KeyChange,
    KeyFilter,
    KeyView,
    NewKey,
    NewPrincipal,
    PrincipalChange,
    Rotation,
    StoreClient,
)
from headgate.stores.records import KeyUse, PrincipalKind
from headgate.testing.key_store import MemoryIdentityStore
from tests.unit.control.api.stand import NOW, ROLES, Stand, sender

URL = "http://gate.example"
DIGEST = hashlib.sha256(b"a key from elsewhere").digest()


def through_gate(stand: Stand) -> GateClient:
    """A client of the stand's API, for the same actor as on the store."""
    root = sender("admin", name="cli", id_="cli")

    def exchange(
        method: str, target: str, fields: Mapping[str, str], body: bytes | None
    ) -> Response:
        path = target.removeprefix("/-/api/v1/")
        reply = stand.ask(method, path, who=root, raw=body, headers=fields)
        return Response(reply.status, reply.reason, reply.content)

    return GateClient(GateApi(URL, exchange))


def on_store(store: MemoryIdentityStore) -> StoreClient:
    administration = Administration(store, ROLES, Stand().rules, lambda: NOW)
    return StoreClient(administration, Actor.operator("cli"))


def keep(_key: KeyView, _secret: str) -> None:
    """Hand over nothing."""


def sending_nothing(
    method: str, target: str, fields: Mapping[str, str], body: bytes | None
) -> Response:
    raise AssertionError("something was sent")


class Story:
    """What one client does and gets, with what is drawn at random replaced by its order."""

    def __init__(self, client: IdentityClient, store: MemoryIdentityStore) -> None:
        self.client = client
        self.store = store
        self.told: list[object] = []
        self._ids: dict[str, str] = {}

    def tell(self, act: Callable[[], object]) -> None:
        """Do something and note the result, or the error."""
        try:
            self.told.append(self._plain(act()))
        except HeadgateError as error:
            self.told.append((type(error).__name__, self._plain(str(error))))

    def _plain(self, value: object) -> object:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {
                each.name: "secret"
                if each.name == "secret"
                else self._plain(getattr(value, each.name))
                for each in dataclasses.fields(value)
            }
        if isinstance(value, list | tuple):
            return [self._plain(each) for each in value]
        if isinstance(value, str):
            return self._without_ids(value)
        return value

    def _without_ids(self, text: str) -> str:
        with self.store.reading() as found:
            known = [each.id for each in found.principals()]
            known += [each.id for each in found.keys(None)]
        for each in known:
            self._ids.setdefault(each, f"{each[:2]}{len(self._ids)}")
            text = text.replace(each, self._ids[each])
        return text


def story(client: IdentityClient, store: MemoryIdentityStore) -> list[object]:
    """All that commands do, with the mistakes that people make."""
    told = Story(client, store)
    do = told.tell
    do(lambda: client.keys(KeyFilter()))
    do(client.principals)
    do(lambda: client.create_key(NewKey("ci"), keep))
    do(lambda: client.create_key(NewKey("ci"), keep))  # the name is taken
    do(lambda: client.create_key(NewKey("ci-admin", roles=("admin",), expires_at=NOW + 60), keep))
    do(lambda: client.create_key(NewKey("x", roles=("no-such",)), keep))
    do(lambda: client.create_key(NewKey("x", principal="nobody"), keep))
    do(lambda: client.create_key(NewKey("x", expires_at=NOW - 60), keep))
    do(lambda: client.create_key(NewKey("x", narrowing=("read:nothing",)), keep))
    do(lambda: client.create_principal(NewPrincipal("ops", PrincipalKind.PERSON, ("admin",), "We")))
    do(lambda: client.create_principal(NewPrincipal("ops")))
    narrow = NewKey("narrow", "ops", ("writer",), ("read:runs", "write:runs"), "of Ops", math.inf)
    do(lambda: client.create_key(narrow, keep))
    do(lambda: client.key("narrow"))
    do(lambda: client.change_key("narrow", KeyChange(narrowing=(), description="wider")))
    do(lambda: client.change_key("narrow", KeyChange()))
    do(lambda: client.rotate_key("ci", Rotation(overlap=60), keep))
    do(lambda: client.rotate_key("ci", Rotation(NOW + 3600), keep))
    do(lambda: client.expire_key("narrow", NOW + 120.5))
    do(lambda: client.expire_key("narrow", math.inf))
    do(lambda: client.revoke_key("ci"))
    do(lambda: client.revoke_key("ci"))
    do(lambda: client.revoke_key("c1"))  # with a hint
    do(lambda: client.key("k_00000000"))
    do(lambda: client.principal("p_00000000"))
    do(lambda: client.key("k" * 101))
    do(lambda: client.key("bell\x07"))
    do(lambda: client.import_keys([ImportedKey(NewKey("laptop"), DIGEST)]))
    do(lambda: client.import_keys([ImportedKey(NewKey("laptop"), DIGEST)]))
    do(lambda: client.create_break_glass(BreakGlass("the registry is down", 60.0, "glass"), keep))
    do(lambda: client.create_break_glass(BreakGlass("  "), keep))
    do(lambda: client.change_principal("ops", PrincipalChange(roles=("writer",))))
    do(lambda: client.change_principal("ops", PrincipalChange()))
    do(lambda: client.disable_principal("ops"))
    do(lambda: client.keys(KeyFilter(state="disabled")))
    do(lambda: client.enable_principal("ops"))
    do(lambda: client.keys(KeyFilter(principal="ops")))
    do(lambda: client.keys(KeyFilter(principal="nobody")))
    do(lambda: client.keys(KeyFilter(expiring_within=3600.0)))
    do(lambda: client.keys(KeyFilter()))
    do(lambda: client.principal("ops"))
    do(client.principals)
    return told.told


def test_a_command_gets_the_same_from_a_gate_as_from_its_store() -> None:
    local, stand = MemoryIdentityStore(), Stand()
    expected = story(on_store(local), local)
    actual = story(through_gate(stand), stand.store)
    for at, (one, other) in enumerate(zip(expected, actual, strict=True)):
        assert other == one, f"step {at}"


def test_long_lists_are_read_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.cli.remote.LARGEST_PAGE", 2)
    stand = Stand()
    stand.principal("team", "admin")
    made = [stand.key(f"key-{at}", principal="team") for at in range(5)]
    assert [each.id for each in through_gate(stand).keys(KeyFilter()).keys] == made


def test_a_key_is_never_asked_for_by_itself() -> None:
    """Somebody who types the key in the place of its name does not send it anywhere."""
    stand = Stand()
    secret = stand.ask("POST", "keys", {"name": "ci"}).body["secret"]

    client = GateClient(GateApi(URL, sending_nothing))
    with pytest.raises(HeadgateError, match="a key itself"):
        client.revoke_key(secret)


def test_a_key_that_cannot_be_handed_over_is_revoked() -> None:
    stand = Stand()

    def fail(_key: KeyView, _secret: str) -> None:
        raise HeadgateError("cannot write to standard output (it is closed): no key was created")

    with pytest.raises(HeadgateError, match="which is revoked now"):
        through_gate(stand).create_key(NewKey("ci"), fail)
    (key,) = stand.ask("GET", "keys").body["keys"]
    assert key["state"] == "revoked"


def test_from_where_a_key_was_used() -> None:
    stand = Stand()
    key = stand.key("ci")
    stand.store.record_uses([KeyUse(key, int(NOW) - 60, "192.0.2.7")])
    use = through_gate(stand).key("ci").last_use
    assert use is not None
    assert (use.at, use.address) == (int(NOW) - 60, "192.0.2.7")


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (Response(200, None, b"<html>"), "is not Headgate"),
        (Response(302, None, b""), "is not Headgate"),
        (Response(404, "route_unknown", b'{"message": "No such MLflow route"}'), "older"),
        (Response(401, "unauthenticated", b'{"message": "no API key"}'), "no API key"),
        (Response(503, "store_unavailable", b'{"message": "down"}'), "down"),
        (Response(200, "ok", b"["), "no JSON"),
        (Response(200, "ok", b"[]"), "no JSON"),
        (Response(403, "forbidden", b'{"message": "Headgate refused: may not"}'), "may not"),
    ],
)
def test_what_goes_wrong_is_one_sentence(response: Response, words: str) -> None:
    client = GateClient(GateApi(URL, lambda *_: response))
    with pytest.raises(HeadgateError, match=words) as raised:
        client.keys(KeyFilter())
    assert "\n" not in str(raised.value)
