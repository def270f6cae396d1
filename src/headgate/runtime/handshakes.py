"""Why TLS handshakes fail: told apart for metrics, and summed up for the event log."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Callable
from typing import Final

from headgate.events import Emit, HandshakeFailure, TlsHandshakeFailed

REPEAT_SECONDS: Final = 60.0
"""Handshakes that fail for one cause are one event in this time."""

# Reasons of OpenSSL's (openssl/sslerr.h), as Python's ``ssl`` names them.  An alert is what the
# client has said; all others the gate has found itself.
_REASONS: Final = {
    "HTTP_REQUEST": HandshakeFailure.NOT_TLS,
    "HTTPS_PROXY_REQUEST": HandshakeFailure.NOT_TLS,
    "UNSUPPORTED_PROTOCOL": HandshakeFailure.PROTOCOL_VERSION,
    "VERSION_TOO_LOW": HandshakeFailure.PROTOCOL_VERSION,
    "WRONG_VERSION_NUMBER": HandshakeFailure.PROTOCOL_VERSION,
    "WRONG_SSL_VERSION": HandshakeFailure.PROTOCOL_VERSION,
    "UNKNOWN_PROTOCOL": HandshakeFailure.PROTOCOL_VERSION,
    "TLSV1_ALERT_PROTOCOL_VERSION": HandshakeFailure.PROTOCOL_VERSION,
    "INAPPROPRIATE_FALLBACK": HandshakeFailure.PROTOCOL_VERSION,
    "NO_SHARED_CIPHER": HandshakeFailure.NO_SHARED_CIPHER,
    "NO_SHARED_GROUPS": HandshakeFailure.NO_SHARED_CIPHER,
    "NO_SUITABLE_KEY_SHARE": HandshakeFailure.NO_SHARED_CIPHER,
    "NO_SUITABLE_GROUPS": HandshakeFailure.NO_SHARED_CIPHER,
    "NO_SHARED_SIGNATURE_ALGORITHMS": HandshakeFailure.NO_SHARED_CIPHER,
    "NO_SUITABLE_SIGNATURE_ALGORITHM": HandshakeFailure.NO_SHARED_CIPHER,
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": HandshakeFailure.NO_CLIENT_CERTIFICATE,
    "CERTIFICATE_VERIFY_FAILED": HandshakeFailure.BAD_CERTIFICATE,
    "TLSV1_ALERT_UNKNOWN_CA": HandshakeFailure.GATE_CERTIFICATE_REFUSED,
    "SSLV3_ALERT_BAD_CERTIFICATE": HandshakeFailure.GATE_CERTIFICATE_REFUSED,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": HandshakeFailure.GATE_CERTIFICATE_REFUSED,
    "SSLV3_ALERT_CERTIFICATE_REVOKED": HandshakeFailure.GATE_CERTIFICATE_REFUSED,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": HandshakeFailure.GATE_CERTIFICATE_REFUSED,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": HandshakeFailure.GATE_CERTIFICATE_REFUSED,
    "TLSV1_ALERT_USER_CANCELLED": HandshakeFailure.CLIENT_CLOSED,
    "UNEXPECTED_EOF_WHILE_READING": HandshakeFailure.CLIENT_CLOSED,
}
# The loop aborts a connection whose handshake takes too long; one that ended has been reset.
_TOO_LATE: Final = (TimeoutError, ConnectionAbortedError)
# Results of a verification (openssl/x509_vfy.h).
_VERIFICATIONS: Final = {
    2: HandshakeFailure.UNKNOWN_CA,  # unable to get issuer certificate
    9: HandshakeFailure.EXPIRED_CERTIFICATE,  # not yet valid
    10: HandshakeFailure.EXPIRED_CERTIFICATE,
    18: HandshakeFailure.UNKNOWN_CA,  # self-signed
    19: HandshakeFailure.UNKNOWN_CA,  # self-signed in the chain
    20: HandshakeFailure.UNKNOWN_CA,  # unable to get local issuer certificate
    21: HandshakeFailure.UNKNOWN_CA,  # unable to verify the first certificate
}


def cause_of(error: OSError) -> HandshakeFailure:
    """Why a handshake failed."""
    if isinstance(error, _TOO_LATE):
        return HandshakeFailure.TIMEOUT
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFICATIONS.get(error.verify_code, HandshakeFailure.BAD_CERTIFICATE)
    if isinstance(error, ssl.SSLEOFError):
        return HandshakeFailure.CLIENT_CLOSED
    if isinstance(error, ssl.SSLError):
        return _REASONS.get(_reason(error), HandshakeFailure.OTHER)
    if isinstance(error, ConnectionError):
        return HandshakeFailure.CLIENT_CLOSED
    return HandshakeFailure.OTHER


def words_of(error: OSError) -> str:
    """Why a handshake failed, in the words of OpenSSL where it has some."""
    if isinstance(error, _TOO_LATE):
        return "the client did not finish it in time"
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_message:
        return error.verify_message
    if isinstance(error, ssl.SSLError) and _reason(error):
        return _reason(error).lower().replace("_", " ")
    if isinstance(error, ConnectionError):
        return "the client closed the connection"
    return error.strerror or type(error).__name__


def _reason(error: ssl.SSLError) -> str:
    """OpenSSL's reason; empty where Python itself raised the error, or OpenSSL knows none."""
    return getattr(error, "reason", None) or ""


class HandshakeFailures:
    """Counts handshakes that failed, and emits them: the first of a cause, then their number.

    Args:
        emit: takes the events.
        count: called for each.
        clock: seconds from an arbitrary start.
    """

    def __init__(
        self,
        emit: Emit,
        count: Callable[[HandshakeFailure], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._emit = emit
        self._count = count
        self._clock = clock
        self._emitted: dict[HandshakeFailure, float] = {}
        self._pending: dict[HandshakeFailure, tuple[int, str, str]] = {}

    def add(self, cause: HandshakeFailure, detail: str, client: str) -> None:
        """Count one, of ``client``."""
        self._count(cause)
        count, _, _ = self._pending.get(cause, (0, "", ""))
        self._pending[cause] = count + 1, detail, client
        self.report()

    def report(self, *, last: bool = False) -> None:
        """Emit what is due; to be called now and then.  ``last``: emit everything that is left."""
        now = self._clock()
        for cause, (count, detail, client) in tuple(self._pending.items()):
            if last or now - self._emitted.get(cause, -math.inf) >= REPEAT_SECONDS:
                self._emitted[cause] = now
                del self._pending[cause]
                self._emit(TlsHandshakeFailed(client, cause, count, detail))
