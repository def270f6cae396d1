"""Readable messages for errors of connections and TLS.

Python and OpenSSL put numbers, names of constants and lines of source code into their messages
(``[Errno 104]``, ``[SSL: WRONG_VERSION_NUMBER] … (_ssl.c:1006)``), which do not help an operator.
This is the only module that reads messages of libraries.
"""

from __future__ import annotations

import errno
import re
import ssl
from typing import Final

_ORIGIN: Final = re.compile(r"^\[Errno -?\d+\]\s*|^\[[A-Z: _0-9]+\]\s*|(?<!\s)\s*+\(_ssl\.c:\d+\)$")

# The codes of X509_verify_cert (OpenSSL, x509_vfy.h) that have their own remedy.
_CERTIFICATES: Final = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is self-signed",
    19: "its certificate is signed by an untrusted authority",
    20: "its certificate is signed by an untrusted authority",
    21: "its certificate is signed by an untrusted authority",
    62: "its certificate is for another name",
    64: "its certificate is for another address",
}
# ``SSLError.reason``: the names of OpenSSL's sslerr.h; those with ALERT came from the other side.
_TLS: Final = {
    "WRONG_VERSION_NUMBER": "it does not speak TLS",
    "HTTP_REQUEST": "it received plain HTTP",
    "RECORD_LAYER_FAILURE": "it does not speak TLS",
    "PACKET_LENGTH_TOO_LONG": "it does not speak TLS",
    "UNEXPECTED_EOF_WHILE_READING": "it closed the connection in the middle of TLS",
    "UNSUPPORTED_PROTOCOL": "it supports only TLS versions that are too old",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it does not support this TLS version",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it requires a client certificate",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it refused the TLS handshake",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it refused the client certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it refused the client certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the client certificate has expired",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust the client certificate",
    "TLSV1_UNRECOGNIZED_NAME": "it has no certificate for this name",
}
_SYSTEM: Final = {
    errno.ECONNREFUSED: "the connection was refused",
    errno.ECONNRESET: "the connection was reset",
    errno.EPIPE: "the connection was closed",
    errno.ETIMEDOUT: "no response came in time",
    errno.EHOSTUNREACH: "there is no route to it",
    errno.ENETUNREACH: "there is no route to it",
}


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
        return known or f"its certificate is not trusted: {own_words(error)}"
    reason = error.reason or ""
    return _TLS.get(reason) or f"TLS failed ({_plain(reason.replace('_', ' ').lower())})"


def _about_system(error: OSError) -> str:
    if error.errno in _SYSTEM:
        return _SYSTEM[error.errno]
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
