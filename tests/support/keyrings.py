"""Keyrings with a few keys, for tests."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.auth.keys.intake import Intake
from headgate.auth.keys.keyring import Keyring
from headgate.events import Emit, discard
from headgate.policy import Roles
from headgate.stores.identity import Changes, Position
from headgate.stores.records import KeyRecord, PrincipalKind, PrincipalRecord

NOW = 1_000.0


def principal(
    number: int = 1,
    name: str = "",
    roles: tuple[str, ...] = ("admin",),
    disabled_at: int | None = None,
) -> PrincipalRecord:
    """A service account."""
    return PrincipalRecord(
        f"p_{number:08}",
        name or f"account {number}",
        PrincipalKind.SERVICE,
        roles,
        created_at=0,
        disabled_at=disabled_at,
    )


def put(
    keyring: Keyring,
    keys: Sequence[KeyRecord],
    principals: Sequence[PrincipalRecord] = (),
    *,
    complete: bool = False,
    emit: Emit = discard,
    now: float = NOW,
) -> bool:
    """Take records into a keyring; whether keys that were accepted have changed."""
    changes = Changes(Position(1, "a"), complete, principals, keys)
    return any(list(Intake(keyring, emit).take(changes, now)))


def keyring_of(
    keys: Sequence[KeyRecord] = (),
    principals: Sequence[PrincipalRecord] = (),
    roles: Roles | None = None,
    *,
    notice: float = 0.0,
    now: float = NOW,
) -> Keyring:
    """A keyring with these, which was compared with its store and never gets stale."""
    keyring = Keyring(roles, notice=notice)
    put(keyring, keys, principals, complete=True, now=now)
    keyring.compared(now)
    return keyring
