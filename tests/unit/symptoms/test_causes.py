"""What failed, in words: nothing that a library says of its own insides."""

from __future__ import annotations

import errno
import http.client
import os
import re
import socket
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.symptoms import ConnectionFailure, connection_failure, in_words, own_words

RAW = re.compile(r"_ssl\.c|\[Errno|\[SSL|\bssl\.|Exception\b|[A-Z]{3,}_[A-Z]{3,}")


def ssl_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] {reason.lower().replace('_', ' ')} (_ssl.c:1006)")
    error.reason = reason
    return error


def untrusted(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(
        1, f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {message} (_ssl.c:1006)"
    )
    error.verify_code, error.verify_message = code, message
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "was reset"),
        (OSError(errno.ECONNREFUSED, "Connection refused"), "was refused"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device"),
        (TimeoutError(), "no response came in time"),
        (TimeoutError("timed out"), "no response came in time"),
        (http.client.RemoteDisconnected("Remote end closed"), "closed without a response"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (ssl_error("WRONG_VERSION_NUMBER"), "it does not speak TLS"),
        (ssl_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "requires a client certificate"),
        (ssl_error("NO_SHARED_CIPHER"), "TLS failed (no shared cipher)"),
        (
            untrusted(20, "unable to get local issuer certificate"),
            "signed by an untrusted authority",
        ),
        (untrusted(62, "Hostname mismatch, certificate is not valid for 'x'."), "another name"),
        (untrusted(26, "unsuitable certificate purpose"), "unsuitable certificate purpose"),
        (OSError("[Errno 104] odd"), "odd"),
        (ValueError(""), "ValueError"),
    ],
)
def test_what_failed_is_said_in_words(error: BaseException, words: str) -> None:
    said = in_words(error)
    assert words in said
    assert RAW.search(said) is None


@given(st.sampled_from(sorted(errno.errorcode)), st.booleans())
def test_no_error_of_the_system_shows_its_number(number: int, has_text: bool) -> None:
    error = OSError(number, os.strerror(number)) if has_text else OSError(f"[Errno {number}] x")
    said = in_words(error)
    assert said
    assert RAW.search(said) is None
    assert "\n" not in said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
            "Connection reset by peer",
        ),
        (OSError("[Errno 104] Connection reset by peer"), "Connection reset by peer"),
        (ssl_error("WRONG_VERSION_NUMBER"), "wrong version number"),
        (
            untrusted(20, "unable to get local issuer certificate"),
            "certificate verify failed: unable to get local issuer certificate",
        ),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_the_own_words_of_a_library_are_without_its_notation(
    error: BaseException, said: str
) -> None:
    assert own_words(error) == said


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "no"), ConnectionFailure.REFUSED),
        (OSError(errno.EHOSTUNREACH, "no"), ConnectionFailure.NO_ROUTE),
        (OSError(errno.ENETUNREACH, "no"), ConnectionFailure.NO_ROUTE),
        (TimeoutError("no connection within 5 s"), ConnectionFailure.NO_RESPONSE),
        (TimeoutError(errno.ETIMEDOUT, "no"), ConnectionFailure.NO_RESPONSE),
        (ConnectionResetError("closed as soon as it was open"), ConnectionFailure.DROPPED),
        (BrokenPipeError(errno.EPIPE, "no"), ConnectionFailure.DROPPED),
        (untrusted(9, "x"), ConnectionFailure.CERTIFICATE_NOT_YET_VALID),
        (untrusted(10, "x"), ConnectionFailure.CERTIFICATE_EXPIRED),
        (untrusted(18, "x"), ConnectionFailure.CERTIFICATE_UNTRUSTED),
        (untrusted(20, "x"), ConnectionFailure.CERTIFICATE_UNTRUSTED),
        (untrusted(26, "x"), ConnectionFailure.CERTIFICATE_UNTRUSTED),
        (ssl.SSLCertVerificationError("x"), ConnectionFailure.CERTIFICATE_UNTRUSTED),
        (untrusted(62, "x"), ConnectionFailure.CERTIFICATE_NAME),
        (untrusted(64, "x"), ConnectionFailure.CERTIFICATE_NAME),
        (
            ssl_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"),
            ConnectionFailure.CLIENT_CERTIFICATE_WANTED,
        ),
        (ssl_error("TLSV1_ALERT_UNKNOWN_CA"), ConnectionFailure.CLIENT_CERTIFICATE_REFUSED),
        (ssl_error("WRONG_VERSION_NUMBER"), ConnectionFailure.PLAIN_HTTP),
        (ssl_error("NO_SHARED_CIPHER"), ConnectionFailure.TLS_FAILED),
        (ssl.SSLError(1, "odd"), ConnectionFailure.TLS_FAILED),
        (OSError(errno.EMFILE, "no"), ConnectionFailure.OTHER),
        (OSError(errno.EINVAL, "no"), ConnectionFailure.OTHER),
        (ValueError("no"), ConnectionFailure.OTHER),
    ],
)
def test_kinds_are_read_from_codes(error: BaseException, kind: ConnectionFailure) -> None:
    assert connection_failure(error) is kind


@pytest.mark.parametrize("kind", ConnectionFailure)
def test_no_text_makes_a_kind(kind: ConnectionFailure) -> None:
    """Texts of libraries change from version to version, and with the language."""
    error = OSError(f"{kind.value}: certificate has expired, hostname mismatch, refused")
    assert connection_failure(error) is ConnectionFailure.OTHER
