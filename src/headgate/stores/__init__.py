"""What Headgate keeps on disk."""

from headgate.stores.keys import KeyRecord, KeyState, KeyStore

__all__ = ["KeyRecord", "KeyState", "KeyStore"]
