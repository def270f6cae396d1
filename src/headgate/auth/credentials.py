"""Finds the one key that a request presents, or says why there is none.

``Authorization: Bearer`` (RFC 6750), ``Authorization: Basic`` with the key as password
(RFC 7617), and ``X-API-Key``.  What could be read in two ways is refused.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from headgate.auth import refusals
from headgate.auth.key import PREFIX
from headgate.errors import Refusal

_WHITESPACE: Final = b" \t"  # optional whitespace around a field value, RFC 9110 section 5.6.3


def presented_key(authorization: bytes | None, api_key: bytes | None) -> str | Refusal:
    """The text presented as a key, of whatever form; header values as they came, or ``None``."""
    if authorization is None:
        return refusals.NO_KEY if api_key is None else _from_api_key(api_key)
    key = _from_authorization(authorization)
    if api_key is None or isinstance(key, Refusal):
        return key
    other = _from_api_key(api_key)
    if isinstance(other, Refusal) or other == key:
        return other
    return refusals.AMBIGUOUS


def _from_api_key(value: bytes) -> str | Refusal:
    # Latin-1 reads any byte; what is not ASCII is no key and is told so later.
    return value.strip(_WHITESPACE).decode("latin-1") or refusals.API_KEY_EMPTY


def _from_authorization(value: bytes) -> str | Refusal:
    scheme, _, credentials = value.strip(_WHITESPACE).partition(b" ")
    credentials = credentials.strip(b" ")
    match scheme.lower():
        case b"bearer":
            return credentials.decode("latin-1") or refusals.BEARER_EMPTY
        case b"basic":
            return _from_basic(credentials)
        case _:
            return refusals.SCHEME_UNKNOWN if credentials else refusals.SCHEME_MISSING


def _from_basic(credentials: bytes) -> str | Refusal:
    try:
        octets = base64.b64decode(credentials, validate=True)
    except binascii.Error:
        return refusals.BASIC_NOT_BASE64
    # Python's decoder lets surplus padding and stray bits pass; one text has one encoding.
    if base64.b64encode(octets) != credentials:
        return refusals.BASIC_NOT_BASE64
    # Split as bytes: clients write the user name in Latin-1 or UTF-8, and a key is ASCII.
    user, colon, password = octets.partition(b":")
    if not colon:
        return refusals.BASIC_NO_COLON
    prefix = PREFIX.encode("ascii")
    if user.startswith(prefix) and not password.startswith(prefix):
        return refusals.BASIC_KEY_AS_USER
    return password.decode("latin-1") or refusals.BASIC_NO_PASSWORD
