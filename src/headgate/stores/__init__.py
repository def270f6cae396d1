"""What Headgate keeps: protocols, and the implementations that ``opening.py`` chooses between."""

from headgate.stores.identity import (
    IdentitySource,
    IdentityStore,
    StoreUnreachableError,
)
from headgate.stores.opening import (
    gate_folder,
    identity_store_location,
    identity_store_warnings,
    import_identity_store,
    inspect_identity_store,
    make_own_folder,
    open_create_store,
    open_identity_source,
    open_identity_store,
    open_maintenance_store,
    own_folder,
    upgrade_identity_store,
)
from headgate.stores.records import ROLES_EDITION, KeyRecord, KeyState, UnreadableKey

__all__ = [
    "ROLES_EDITION",
    "IdentitySource",
    "IdentityStore",
    "KeyRecord",
    "KeyState",
    "StoreUnreachableError",
    "UnreadableKey",
    "gate_folder",
    "identity_store_location",
    "identity_store_warnings",
    "import_identity_store",
    "inspect_identity_store",
    "make_own_folder",
    "open_create_store",
    "open_identity_source",
    "open_identity_store",
    "open_maintenance_store",
    "own_folder",
    "upgrade_identity_store",
]
