"""Who sends a request: API keys, and answering for them without leaving memory."""

from headgate.auth.authenticator import Anonymous, Authenticate, Authenticator
from headgate.auth.keyring import Keyring, KeyRow
from headgate.auth.refresher import KeyContents, KeySource, KeysStatus, Refresher

__all__ = [
    "Anonymous",
    "Authenticate",
    "Authenticator",
    "KeyContents",
    "KeyRow",
    "KeySource",
    "Keyring",
    "KeysStatus",
    "Refresher",
]
