"""Which kind of failure an exception of Python's or OpenSSL's is, and a readable message for it.

Kinds are read from codes alone.  Python and OpenSSL put numbers, names of constants and lines of
source code into their messages (``[Errno 104]``, ``[SSL: WRONG_VERSION_NUMBER] … (_ssl.c:1006)``),
which do not help an operator.  This is the only module that reads messages of libraries.
"""

from __future__ import annotations

import errno
import re
import ssl
from collections.abc import Mapping
from typing import Final, NamedTuple

from headgate.symptoms.connection import ConnectionFailure as Kind

_ORIGIN: Final = re.compile(r"^\[Errno -?\d+\]\s*|^\[[A-Z: _0-9]+\]\s*|(?<!\s)\s*+\(_ssl\.c:\d+\)$")


class _Code(NamedTuple):
    """What one code of a library means."""

    kind: Kind
    words: str


_UNTRUSTED: Final = _Code(
    Kind.CERTIFICATE_UNTRUSTED, "its certificate is signed by an untrusted authority"
)
_NO_TLS: Final = _Code(Kind.PLAIN_HTTP, "it does not speak TLS")
_REFUSED: Final = _Code(Kind.CLIENT_CERTIFICATE_REFUSED, "it refused the client certificate")
_NO_ROUTE: Final = _Code(Kind.NO_ROUTE, "there is no route to it")
# ``SSLCertVerificationError.verify_code``: X509_verify_cert (OpenSSL, x509_vfy.h).
_CERTIFICATES: Final[Mapping[int, _Code]] = {
    9: _Code(Kind.CERTIFICATE_NOT_YET_VALID, "its certificate is not valid yet"),
    10: _Code(Kind.CERTIFICATE_EXPIRED, "its certificate has expired"),
    18: _Code(Kind.CERTIFICATE_UNTRUSTED, "its certificate is self-signed"),
    19: _UNTRUSTED,
    20: _UNTRUSTED,
    21: _UNTRUSTED,
    62: _Code(Kind.CERTIFICATE_NAME, "its certificate is for another name"),
    64: _Code(Kind.CERTIFICATE_NAME, "its certificate is for another address"),
}
# ``SSLError.reason``: the names of OpenSSL's sslerr.h; those with ALERT came from the other side.
_TLS: Final[Mapping[str, _Code]] = {
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "HTTP_REQUEST": _Code(Kind.PLAIN_HTTP, "it received plain HTTP"),
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "PACKET_LENGTH_TOO_LONG": _NO_TLS,
    "UNEXPECTED_EOF_WHILE_READING": _Code(
        Kind.TLS_FAILED, "it closed the connection in the middle of TLS"
    ),
    "UNSUPPORTED_PROTOCOL": _Code(
        Kind.TLS_FAILED, "it supports only TLS versions that are too old"
    ),
    "TLSV1_ALERT_PROTOCOL_VERSION": _Code(Kind.TLS_FAILED, "it does not support this TLS version"),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _Code(
        Kind.CLIENT_CERTIFICATE_WANTED, "it requires a client certificate"
    ),
    "SSLV3_ALERT_HANDSHAKE_FAILURE": _Code(Kind.TLS_FAILED, "it refused the TLS handshake"),
    "SSLV3_ALERT_BAD_CERTIFICATE": _REFUSED,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _REFUSED,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": _Code(
        Kind.CLIENT_CERTIFICATE_REFUSED, "the client certificate has expired"
    ),
    "TLSV1_ALERT_UNKNOWN_CA": _Code(
        Kind.CLIENT_CERTIFICATE_REFUSED, "it does not trust the client certificate"
    ),
    "TLSV1_UNRECOGNIZED_NAME": _Code(Kind.CERTIFICATE_NAME, "it has no certificate for this name"),
}
_SYSTEM: Final[Mapping[int, _Code]] = {
    errno.ECONNREFUSED: _Code(Kind.REFUSED, "the connection was refused"),
    errno.ECONNRESET: _Code(Kind.DROPPED, "the connection was reset"),
    errno.ECONNABORTED: _Code(Kind.DROPPED, "the connection was closed"),
    errno.EPIPE: _Code(Kind.DROPPED, "the connection was closed"),
    errno.ETIMEDOUT: _Code(Kind.NO_RESPONSE, "no response came in time"),
    errno.EHOSTUNREACH: _NO_ROUTE,
    errno.ENETUNREACH: _NO_ROUTE,
    errno.EHOSTDOWN: _NO_ROUTE,
    errno.ENETDOWN: _NO_ROUTE,
}


def connection_failure(error: BaseException) -> Kind:
    """Which kind of failure it is that a connection could not be opened, or ended."""
    if isinstance(error, ssl.SSLCertVerificationError):
        known = _CERTIFICATES.get(getattr(error, "verify_code", 0))
        return known.kind if known is not None else Kind.CERTIFICATE_UNTRUSTED
    if isinstance(error, ssl.SSLError):
        known = _TLS.get(_reason(error))
        return known.kind if known is not None else Kind.TLS_FAILED
    known = _SYSTEM.get(error.errno or 0) if isinstance(error, OSError) else None
    if known is not None:
        return known.kind
    if isinstance(error, TimeoutError):
        return Kind.NO_RESPONSE
    return Kind.DROPPED if isinstance(error, ConnectionError) else Kind.OTHER


def in_words(error: BaseException) -> str:
    """A readable phrase without a full stop; it may follow ``: ``."""
    if isinstance(error, ssl.SSLError):
        return _about_tls(error)
    said = _about_system(error) if isinstance(error, OSError) else ""
    return said or _plain(str(error)) or type(error).__name__


def own_words(error: BaseException) -> str:
    """The message of the system or library without its notation, for logs and searches."""
    said = error.strerror if isinstance(error, OSError) else None
    return _plain(said or str(error)) or type(error).__name__


def _about_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        known = _CERTIFICATES.get(getattr(error, "verify_code", 0))
        return known.words if known else f"its certificate is not trusted: {own_words(error)}"
    reason = _reason(error)
    known = _TLS.get(reason)
    return known.words if known else f"TLS failed ({_plain(reason.replace('_', ' ').lower())})"


def _reason(error: ssl.SSLError) -> str:
    """OpenSSL's name of the error; empty for one that OpenSSL did not raise."""
    return getattr(error, "reason", None) or ""


def _about_system(error: OSError) -> str:
    known = _SYSTEM.get(error.errno or 0)
    if known is not None:
        return known.words
    if error.strerror:  # the system's message, or that of a name look-up
        return _plain(error.strerror)
    if isinstance(error, TimeoutError):
        return "no response came in time"
    return (
        "the connection was closed without a response" if isinstance(error, ConnectionError) else ""
    )


def _plain(text: str) -> str:
    """A message of a library in one line, without numbers and source lines."""
    return _ORIGIN.sub("", _ORIGIN.sub("", " ".join(text.split())))
