"""Principals and keys as JSON objects, written and read back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from headgate.identity.documents import (
    key_document,
    principal_document,
    read_key,
    read_principal,
    seconds,
)
from headgate.identity.views import KeyView, LastUse, PrincipalView
from headgate.stores.records import PrincipalKind

KEY = KeyView(
    id="k_00000001",
    name="ci",
    principal_id="p_00000001",
    principal="ada",
    roles=("viewer", "team-a"),
    state="active",
    created_at=1,
    created_by="cli",
    expires_at=86_400,
    revoked_at=5,
    description="nightly",
    narrowing=("read:runs",),
    last_use=LastUse(7, "192.0.2.1"),
    replaces="k_00000000",
    replaced_by="k_00000002",
    break_glass="why",
    grants=("read:runs",),
)
PLAIN_KEY = KeyView("k_00000001", "ci", "p_00000001", "ci", ("viewer",), "active", 1)
PRINCIPAL = PrincipalView(
    "p_00000001", "ada", PrincipalKind.PERSON, ("viewer",), 1, "cli", "her", 9, 2
)


@pytest.mark.parametrize("key", [KEY, PLAIN_KEY])
def test_a_key_is_read_back(key: KeyView) -> None:
    assert read_key(json.loads(json.dumps(key_document(key)))) == key


@pytest.mark.parametrize("principal", [PRINCIPAL, replace(PRINCIPAL, disabled_at=None)])
def test_a_principal_is_read_back(principal: PrincipalView) -> None:
    assert read_principal(json.loads(json.dumps(principal_document(principal)))) == principal


def test_the_documents_have_these_fields() -> None:
    """Programs depend on them; none is ever taken away."""
    assert key_document(KEY) == {
        "id": "k_00000001",
        "name": "ci",
        "roles": ["viewer", "team-a"],
        "state": "active",
        "created_at": "1970-01-01T00:00:01Z",
        "expires_at": "1970-01-02T00:00:00Z",
        "revoked_at": "1970-01-01T00:00:05Z",
        "principal": {"id": "p_00000001", "name": "ada"},
        "description": "nightly",
        "narrowing": ["read:runs"],
        "created_by": "cli",
        "last_used": {"at": "1970-01-01T00:00:07Z", "address": "192.0.2.1"},
        "replaces": "k_00000000",
        "replaced_by": "k_00000002",
        "break_glass": "why",
        "grants": ["read:runs"],
    }
    assert "grants" not in key_document(PLAIN_KEY)
    assert principal_document(PRINCIPAL) == {
        "id": "p_00000001",
        "name": "ada",
        "kind": "person",
        "roles": ["viewer"],
        "state": "disabled",
        "description": "her",
        "created_at": "1970-01-01T00:00:01Z",
        "created_by": "cli",
        "disabled_at": "1970-01-01T00:00:09Z",
        "active_keys": 2,
    }


def test_times_name_their_offset() -> None:
    assert seconds("1970-01-01T01:00:00+01:00") == 0
    with pytest.raises(ValueError, match="names no offset"):
        seconds("1970-01-01T00:00:00")
    with pytest.raises(ValueError, match="a time is missing"):
        read_key(key_document(PLAIN_KEY) | {"created_at": None})
