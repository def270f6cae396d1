"""Reads what a client shows to say who it is, once and in one strict way.

``Authorization: Bearer`` (RFC 6750), ``Authorization: Basic`` with the secret as password
(RFC 7617), and ``X-API-Key``.  What could be read in two ways is refused.  Cookies are left as they
came: each of them is for the one authenticator that sets it.
"""

from __future__ import annotations

import base64
import binascii
import enum
from typing import Final

from headgate.auth.keys.form import PREFIX
from headgate.auth.refusals import (
    AMBIGUOUS,
    API_KEY_EMPTY,
    BASIC_KEY_AS_USER,
    BASIC_NO_COLON,
    BASIC_NO_PASSWORD,
    BASIC_NOT_BASE64,
    BEARER_EMPTY,
    SCHEME_MISSING,
    SCHEME_UNKNOWN,
)
from headgate.errors import Refusal
from headgate.wire.request_fields import CredentialFields

_WHITESPACE: Final = b" \t"  # optional whitespace around a field value, RFC 9110 section 5.6.3


class Scheme(enum.Enum):
    """How a token is shown."""

    BEARER = "bearer"
    BASIC = "basic"
    API_KEY = "x-api-key"


class Credentials:
    """What a client shows to say who it is.

    A client certificate will be one more attribute.

    Attributes:
        token: the secret text of ``Authorization`` or ``X-API-Key``; empty if there is none.
        scheme: how it is shown; ``None`` if there is none.
        cookie: the value of ``Cookie`` as it came; empty if there is none.
        malformed: why the fields have no single meaning, if they have none; then ``token`` is
            empty.
        address: of the client, as the access log names it; empty if it is not known.
    """

    __slots__ = ("address", "cookie", "malformed", "scheme", "token")

    def __init__(
        self,
        token: str = "",
        scheme: Scheme | None = None,
        cookie: bytes = b"",
        malformed: Refusal | None = None,
        address: str = "",
    ) -> None:
        self.token: Final = token
        self.scheme: Final = scheme
        self.cookie: Final = cookie
        self.malformed: Final = malformed
        self.address: Final = address


def read_credentials(fields: CredentialFields, address: str = "") -> Credentials:
    """The credentials in a request's header fields, shown by a client at ``address``."""
    scheme, token = None, ""
    read: str | Refusal
    if fields.authorization is not None:
        scheme, read = _from_authorization(fields.authorization)
        if isinstance(read, Refusal):
            return Credentials(cookie=fields.cookie, malformed=read, address=address)
        token = read
    if fields.api_key is not None:
        # Latin-1 reads any byte; what is not ASCII is no key, and is refused as none later.
        key = fields.api_key.strip(_WHITESPACE).decode("latin-1")
        if not key:
            return Credentials(cookie=fields.cookie, malformed=API_KEY_EMPTY, address=address)
        if scheme is None:
            scheme, token = Scheme.API_KEY, key
        elif key != token:
            return Credentials(cookie=fields.cookie, malformed=AMBIGUOUS, address=address)
    return Credentials(token, scheme, fields.cookie, address=address)


def _from_authorization(value: bytes) -> tuple[Scheme | None, str | Refusal]:
    scheme, _, credentials = value.strip(_WHITESPACE).partition(b" ")
    credentials = credentials.strip(b" ")
    match scheme.lower():
        case b"bearer":
            return Scheme.BEARER, credentials.decode("latin-1") or BEARER_EMPTY
        case b"basic":
            return Scheme.BASIC, _from_basic(credentials)
        case _:
            return None, SCHEME_UNKNOWN if credentials else SCHEME_MISSING


def _from_basic(credentials: bytes) -> str | Refusal:
    try:
        octets = base64.b64decode(credentials, validate=True)
    except binascii.Error:
        return BASIC_NOT_BASE64
    # Python's decoder lets surplus padding and stray bits pass; one text has one encoding.
    if base64.b64encode(octets) != credentials:
        return BASIC_NOT_BASE64
    # Split as bytes: clients write the user name in Latin-1 or UTF-8, and a key is ASCII.
    user, colon, password = octets.partition(b":")
    if not colon:
        return BASIC_NO_COLON
    prefix = PREFIX.encode("ascii")
    if user.startswith(prefix) and not password.startswith(prefix):
        return BASIC_KEY_AS_USER
    return password.decode("latin-1") or BASIC_NO_PASSWORD
