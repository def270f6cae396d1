"""Environment variables as they may be shown: without values that look secret."""

from __future__ import annotations

import re
from typing import Final

from headgate.telemetry.redact import without_keys

MASK: Final = "***"
_SECRET_NAME: Final = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|(?:^|_)(?:API_?|PRIVATE_?|ACCESS_?)?KEY"
    r"|(?:^|_)PWD|DATABASE_UR[IL]|(?:^|_)DSN|CONNECTION_STRING|STORE_UR[IL]|COOKIE|AUTHORIZATION"
    r"|(?:^|_)HEADERS",
    re.IGNORECASE,
)
# The name says that the value only says where the secret is, or how it is used.
_PLACE: Final = re.compile(r"_(?:FILE|PATH|DIR|FOLDER|ARN|SECONDS|LIFE|ENABLED)$", re.IGNORECASE)
_USER_INFO: Final = re.compile(r"//[^/?#\s]*@")
_SECRET_QUERY: Final = re.compile(
    r"(?i)((?:password|passwd|pwd|secret|token|signature|sig|key)=)[^&;\s]+"
)
_KNOWN: Final = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY|\bgh[pousr]_[0-9A-Za-z]{30,}"
    r"|\bxox[abprs]-[0-9A-Za-z-]{10,}"
)
_LONG: Final = re.compile(r"[0-9A-Za-z+/=_-]{32,}")


def shown_value(name: str, value: str) -> str:
    """The value of an environment variable, or as much of it as is no secret.

    A value is masked whole if the variable's name, or its own form, says that it is secret.
    Passwords in URLs, and keys and tokens of the gate, are masked within the value.
    """
    if not value:
        return value
    if _SECRET_NAME.search(name) and not _PLACE.search(name):
        return MASK
    if _KNOWN.search(value) or _is_random(value):
        return MASK
    value = _USER_INFO.sub(f"//{MASK}@", value)
    value = _SECRET_QUERY.sub(rf"\g<1>{MASK}", value)
    return without_keys(value) if value.isascii() else value


def _is_random(value: str) -> bool:
    """Whether a value has the form of a generated key: long, of one piece, of mixed characters."""
    if not _LONG.fullmatch(value):
        return False
    kinds = (str.islower, str.isupper, str.isdigit)
    return all(any(kind(each) for each in value) for kind in kinds)
