"""Principals and keys as JSON objects, the same from the API and from ``--json``.

Times are as RFC 3339 writes them, in UTC; ``null``: never, or none.  Fields are only ever added.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from headgate.identity.views import KeyView, LastUse, PrincipalView
from headgate.stores.records import PrincipalKind


def key_document(key: KeyView) -> dict[str, object]:
    """A key; ``grants`` is there only where the view has them."""
    use = key.last_use
    found: dict[str, object] = {
        "id": key.id,
        "name": key.name,
        "roles": list(key.roles),
        "state": key.state,
        "created_at": timestamp(key.created_at),
        "expires_at": timestamp(key.expires_at),
        "revoked_at": timestamp(key.revoked_at),
        "principal": {"id": key.principal_id, "name": key.principal},
        "description": key.description,
        "narrowing": list(key.narrowing),
        "created_by": key.created_by,
        "last_used": None if use is None else {"at": timestamp(use.at), "address": use.address},
        "replaces": key.replaces or None,
        "replaced_by": key.replaced_by or None,
        "break_glass": key.break_glass or None,
    }
    if key.grants is not None:
        found["grants"] = list(key.grants)
    return found


def read_key(document: Mapping[str, Any]) -> KeyView:
    """The key of a document.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    use, grants = document["last_used"], document.get("grants")
    return KeyView(
        id=document["id"],
        name=document["name"],
        principal_id=document["principal"]["id"],
        principal=document["principal"]["name"],
        roles=tuple(document["roles"]),
        state=document["state"],
        created_at=_required(document["created_at"]),
        created_by=document["created_by"],
        expires_at=seconds(document["expires_at"]),
        revoked_at=seconds(document["revoked_at"]),
        description=document["description"],
        narrowing=tuple(document["narrowing"]),
        last_use=None if use is None else LastUse(_required(use["at"]), use["address"]),
        replaces=document["replaces"] or "",
        replaced_by=document["replaced_by"] or "",
        break_glass=document["break_glass"] or "",
        grants=None if grants is None else tuple(grants),
    )


def principal_document(principal: PrincipalView) -> dict[str, object]:
    """A principal."""
    return {
        "id": principal.id,
        "name": principal.name,
        "kind": principal.kind.value,
        "roles": list(principal.roles),
        "state": "active" if principal.disabled_at is None else "disabled",
        "description": principal.description,
        "created_at": timestamp(principal.created_at),
        "created_by": principal.created_by,
        "disabled_at": timestamp(principal.disabled_at),
        "active_keys": principal.active_keys,
    }


def read_principal(document: Mapping[str, Any]) -> PrincipalView:
    """The principal of a document.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    return PrincipalView(
        id=document["id"],
        name=document["name"],
        kind=PrincipalKind(document["kind"]),
        roles=tuple(document["roles"]),
        created_at=_required(document["created_at"]),
        created_by=document["created_by"],
        description=document["description"],
        disabled_at=seconds(document["disabled_at"]),
        active_keys=document["active_keys"],
    )


def timestamp(at: int | None) -> str | None:
    """Seconds since the epoch as RFC 3339 writes them, in UTC."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str | None) -> int | None:
    """The time of an RFC 3339 text, in seconds since the epoch.

    Raises:
        ValueError: it is none, or names no offset from UTC.
    """
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text!r} names no offset from UTC; end it with Z")
    return int(found.timestamp())


def _required(text: str) -> int:
    found = seconds(text)
    if found is None:
        raise ValueError("a time is missing")
    return found
