"""What Headgate keeps: protocols, and the implementations that ``opening.py`` chooses between."""

from headgate.stores.keys import KeySource, KeyStore, Snapshot
from headgate.stores.opening import (
    identity_store_location,
    identity_store_warnings,
    inspect_identity_store,
    key_store_location,
    key_store_warnings,
    open_identity_source,
    open_identity_store,
    open_key_source,
    open_key_store,
    upgrade_identity_store,
)
from headgate.stores.records import ROLES_EDITION, KeyRecord, KeyState, UnreadableKey

__all__ = [
    "ROLES_EDITION",
    "KeyRecord",
    "KeySource",
    "KeyState",
    "KeyStore",
    "Snapshot",
    "UnreadableKey",
    "identity_store_location",
    "identity_store_warnings",
    "inspect_identity_store",
    "key_store_location",
    "key_store_warnings",
    "open_identity_source",
    "open_identity_store",
    "open_key_source",
    "open_key_store",
    "upgrade_identity_store",
]
