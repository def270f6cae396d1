"""What Headgate keeps on disk."""

from headgate.stores.keys import Contents, KeyStore
from headgate.stores.late import LateKeyStore
from headgate.stores.place import find as store_file
from headgate.stores.place import warnings as store_warnings
from headgate.stores.rows import ROLES_EDITION, KeyRecord, KeyState, UnreadableRow

__all__ = [
    "ROLES_EDITION",
    "Contents",
    "KeyRecord",
    "KeyState",
    "KeyStore",
    "LateKeyStore",
    "UnreadableRow",
    "store_file",
    "store_warnings",
]
