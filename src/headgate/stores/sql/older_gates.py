"""What a key may do at a gate of schema 3, which knows no principals and no narrowing.

While several versions run beside each other on one store, and after a way back, such a gate grants
what the column ``roles`` names.  A key must never be able to do more there than here, so what the
old gate cannot express becomes less: nothing for a key that is narrowed or whose principal is
disabled, and only those roles that the principal itself has.
"""

from __future__ import annotations

from headgate.policy.roles import ADMIN
from headgate.stores.records import KeyRecord, PrincipalRecord


def roles_there(key: KeyRecord, principal: PrincipalRecord | None) -> tuple[str, ...]:
    """The roles that a gate of schema 3 is to grant a key of that principal.

    ``None``: the key has no principal, or one that cannot be read.
    """
    if key.narrowing:
        return ()
    if principal is None:
        return () if key.principal_id else key.roles
    if principal.disabled_at is not None:
        return ()
    if ADMIN in principal.roles:  # which allows everything, and means the same everywhere
        return key.roles
    return tuple(role for role in key.roles if role in principal.roles)


def own_principal_id(key_id: str) -> str:
    """The id of the service account that a key is whose principal was never named."""
    return "p_" + key_id.removeprefix("k_")
