"""Principals and keys through the admin API of a running gate (``--url``)."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from headgate.cli.gate_api import GateApi
from headgate.errors import HeadgateError
from headgate.identity import (
    BreakGlass,
    Changed,
    HandOver,
    IdentityClient,
    ImportedKey,
    Invalid,
    Issued,
    KeyChange,
    KeyFilter,
    KeyList,
    KeyView,
    NewKey,
    NewPrincipal,
    PrincipalChange,
    PrincipalView,
    Revoked,
    Rotation,
)
from headgate.identity.documents import read_key, read_principal, timestamp
from headgate.identity.naming import is_id, reference
from headgate.identity.work import not_found

LARGEST_PAGE = 1000
LARGEST_IMPORT = 500

Item = TypeVar("Item")


@contextlib.contextmanager
def connect(url: str, environment: Mapping[str, str]) -> Iterator[IdentityClient]:
    """Ask the gate at ``url``; the key comes from the environment, or from a prompt.

    Raises:
        HeadgateError: there is no key, or no gate could be at such an address.
    """
    yield GateClient(GateApi.of(url, environment))


class GateClient:
    """An ``IdentityClient`` that asks a gate."""

    def __init__(self, api: GateApi) -> None:
        self._api = api

    def principals(self) -> list[PrincipalView]:
        """See ``IdentityClient``."""
        return [read_principal(each) for each in self._all("principals", {}, "principals")]

    def principal(self, name_or_id: str) -> PrincipalView:
        """See ``IdentityClient``."""
        return self._one_principal("GET", name_or_id)

    def create_principal(self, new: NewPrincipal) -> PrincipalView:
        """See ``IdentityClient``."""
        body = {
            "name": new.name,
            "kind": new.kind.value,
            "roles": list(new.roles),
            "description": new.description,
        }
        return read_principal(self._api.ask("POST", "principals", body)["principal"])

    def change_principal(self, name_or_id: str, change: PrincipalChange) -> PrincipalView:
        """See ``IdentityClient``."""
        body = _given(name=change.name, roles=change.roles, description=change.description)
        if not body:
            return self.principal(name_or_id)
        return self._one_principal("PATCH", name_or_id, body=body)

    def disable_principal(self, name_or_id: str) -> PrincipalView:
        """See ``IdentityClient``."""
        return self._one_principal("POST", name_or_id, "/disable", {})

    def enable_principal(self, name_or_id: str) -> PrincipalView:
        """See ``IdentityClient``."""
        return self._one_principal("POST", name_or_id, "/enable", {})

    def keys(self, wanted: KeyFilter) -> KeyList:
        """See ``IdentityClient``."""
        seconds = wanted.expiring_within
        query = _given(
            principal=None if wanted.principal is None else reference(wanted.principal),
            state=wanted.state,
            expiring_within=None if seconds is None else str(max(1, math.ceil(seconds))),
        )
        unreadable: list[str] = []
        found = self._all("keys", query, "keys", lambda page: unreadable.extend(page["unreadable"]))
        return KeyList([read_key(each) for each in found], tuple(dict.fromkeys(unreadable)))

    def key(self, name_or_id: str) -> KeyView:
        """See ``IdentityClient``."""
        return read_key(self._api.ask("GET", self._at_key(name_or_id))["key"])

    def create_key(self, new: NewKey, hand_over: HandOver) -> Issued:
        """See ``IdentityClient``."""
        return self._issued("keys", _new_key(new), hand_over)

    def rotate_key(self, name_or_id: str, rotation: Rotation, hand_over: HandOver) -> Issued:
        """See ``IdentityClient``."""
        overlap = rotation.overlap
        body = _given(
            overlap=None if overlap is None else math.ceil(overlap),
            expires_at=_end(rotation.expires_at),
        )
        return self._issued(self._at_key(name_or_id) + "/rotate", body, hand_over)

    def revoke_key(self, name_or_id: str) -> Revoked:
        """See ``IdentityClient``."""
        found = self._api.ask("POST", self._at_key(name_or_id) + "/revoke", {})
        others = tuple(map(read_key, found["still_active"]))
        return Revoked(read_key(found["key"]), found["was_revoked"], others)

    def expire_key(self, name_or_id: str, end: float) -> KeyView:
        """See ``IdentityClient``."""
        body = {"expires_at": _end(end)}
        return read_key(self._api.ask("POST", self._at_key(name_or_id) + "/expire", body)["key"])

    def change_key(self, name_or_id: str, change: KeyChange) -> Changed:
        """See ``IdentityClient``."""
        body = _given(
            roles=change.roles,
            narrowing=change.narrowing,
            description=change.description,
            widen_account=change.widen_account or None,
        )
        if not body:
            return Changed(replace(self.key(name_or_id), grants=None))
        found = self._api.ask("PATCH", self._at_key(name_or_id), body)
        return Changed(read_key(found["key"]), tuple(found["notes"]))

    def import_keys(self, entries: Sequence[ImportedKey]) -> list[KeyView]:
        """See ``IdentityClient``."""
        if len(entries) > LARGEST_IMPORT:
            raise Invalid(
                f"at most {LARGEST_IMPORT} keys are imported together through a gate, not "
                f"{len(entries)}; divide the input",
                "keys",
            )
        keys = [_new_key(each.key) | {"sha256": each.digest.hex()} for each in entries]
        found = self._api.ask("POST", "keys/import", {"keys": keys})
        return [read_key(each) for each in found["keys"]]

    def create_break_glass(self, wanted: BreakGlass, hand_over: HandOver) -> Issued:
        """See ``IdentityClient``."""
        body = _given(reason=wanted.reason, life=math.ceil(wanted.life), name=wanted.name or None)
        return self._issued("keys/break-glass", body, hand_over)

    def _issued(self, path: str, body: Mapping[str, object], hand_over: HandOver) -> Issued:
        """Have a key made and hand it over; if that fails, the key is revoked.

        A gate keeps a key before it responds, so it cannot wait for who the key is for.
        """
        found = self._api.ask("POST", path, body)
        key, secret = read_key(found["key"]), found["secret"]
        try:
            hand_over(key, secret)
        except HeadgateError as error:
            raise HeadgateError(f"{error}; {self._taken_back(key)}") from None
        replaced = None if found["replaced"] is None else read_key(found["replaced"])
        return Issued(key, secret, replaced, tuple(found["notes"]))

    def _taken_back(self, key: KeyView) -> str:
        called = f"the gate had made the key '{key.name}' ({key.id})"
        try:
            self._api.ask("POST", f"keys/{key.id}/revoke", {})
        except HeadgateError as error:
            return f"{called}, and it could not be revoked: {error}"
        replaced = f", and {key.replaces} still ends" if key.replaces else ""
        return f"{called}, which is revoked now{replaced}"

    def _at_key(self, name_or_id: str) -> str:
        """The path of a key: the one of that id, or the latest of that name.

        Raises:
            NotFound: there is none.
        """
        wanted = reference(name_or_id)
        if not is_id(wanted):
            found = self._all("keys", {"name": wanted}, "keys") if _is_name(wanted) else []
            if not found:
                names = [each["name"] for each in self._all("keys", {}, "keys")]
                raise not_found("key", wanted, names)
            wanted = found[-1]["id"]
        return f"keys/{wanted}"

    def _one_principal(
        self,
        method: str,
        name_or_id: str,
        end: str = "",
        body: Mapping[str, object] | None = None,
    ) -> PrincipalView:
        wanted = reference(name_or_id)
        if not is_id(wanted):
            query = {"name": wanted}
            found = self._all("principals", query, "principals") if _is_name(wanted) else []
            if not found:
                raise not_found("principal", wanted, [each.name for each in self.principals()])
            wanted = found[-1]["id"]
        return read_principal(self._api.ask(method, f"principals/{wanted}{end}", body)["principal"])

    def _all(
        self,
        path: str,
        query: Mapping[str, str],
        field: str,
        look: Callable[[Mapping[str, Any]], None] = lambda _page: None,
    ) -> list[Mapping[str, Any]]:
        """All pages of a list."""
        found: list[Mapping[str, Any]] = []
        cursor: str | None = None
        while True:
            more = {} if cursor is None else {"cursor": cursor}
            asked = {**query, "limit": str(LARGEST_PAGE), **more}
            page = self._api.ask("GET", path, query=asked)
            look(page)
            found += page[field]
            cursor = page["next_cursor"]
            if cursor is None:
                return found


def _new_key(new: NewKey) -> dict[str, object]:
    return {"name": new.name} | _given(
        principal=new.principal,
        roles=new.roles,
        narrowing=new.narrowing or None,
        description=new.description or None,
        expires_at=_end(new.expires_at),
        widen_account=new.widen_account or None,
    )


def _given(**fields: object) -> dict[str, Any]:
    """The fields that are there, as JSON has them."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in fields.items()
        if value is not None
    }


def _end(at: float | None) -> str | None:
    if at is None:
        return None
    return "never" if at == math.inf else timestamp(int(at))


def _is_name(text: str) -> bool:
    """Whether a key or principal may have that name, so that it is worth asking."""
    return 1 <= len(text) <= 100 and text.isprintable()
