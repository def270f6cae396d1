"""Why TLS handshakes failed: every cause from a real handshake, and how often it is an event."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from headgate.events import Event, HandshakeFailure, TlsHandshakeFailed
from headgate.runtime.handshakes import REPEAT_SECONDS, HandshakeFailures, cause_of, words_of
from headgate.testing.clock import ManualClock
from tests.support.certificates import Authority


class Handshake:
    """A handshake of two ends in memory."""

    def __init__(self, server: ssl.SSLContext, client: ssl.SSLContext) -> None:
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._server = server.wrap_bio(up, down, server_side=True)
        self._client = client.wrap_bio(down, up, server_hostname="gate.example")

    def error(self) -> OSError | None:
        """What ends it for the server."""
        for _ in range(10):
            try:
                self._client.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                pass  # its alert is on the way to the server
            try:
                self._server.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except OSError as error:
                return error
        return None


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "known")


Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
Change = Callable[[ssl.SSLContext, Path], object]


@pytest.fixture
def contexts(authority: Authority) -> Contexts:
    """Of a server that wants a certificate, and of a client that trusts it and has none."""
    own = authority.issue("server", "gate.example")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.certificate))
    server.load_cert_chain(own.certificate, own.key)
    server.minimum_version = ssl.TLSVersion.TLSv1_2
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=str(authority.certificate))
    return server, client


def shows(context: ssl.SSLContext, authority: Authority, *, ended: bool = False) -> None:
    made = authority.issue("client", "client.example", ended=ended)
    context.load_cert_chain(made.certificate, made.key)


def failure(contexts: Contexts) -> HandshakeFailure | None:
    error = Handshake(*contexts).error()
    if error is not None:
        assert words_of(error)
    return None if error is None else cause_of(error)


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
both_versions = pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])


@both_versions
def test_none_fails_with_a_good_certificate(
    version: ssl.TLSVersion, contexts: Contexts, authority: Authority
) -> None:
    contexts[1].maximum_version = version
    shows(contexts[1], authority)
    assert failure(contexts) is None


@both_versions
def test_a_client_without_a_certificate(version: ssl.TLSVersion, contexts: Contexts) -> None:
    contexts[1].maximum_version = version
    assert failure(contexts) is HandshakeFailure.NO_CLIENT_CERTIFICATE


@both_versions
def test_one_of_an_unknown_authority(
    version: ssl.TLSVersion, contexts: Contexts, tmp_path: Path
) -> None:
    contexts[1].maximum_version = version
    shows(contexts[1], Authority(tmp_path, "other"))
    assert failure(contexts) is HandshakeFailure.UNKNOWN_CA


@both_versions
def test_one_that_has_ended(
    version: ssl.TLSVersion, contexts: Contexts, authority: Authority
) -> None:
    contexts[1].maximum_version = version
    shows(contexts[1], authority, ended=True)
    assert failure(contexts) is HandshakeFailure.EXPIRED_CERTIFICATE


@both_versions
def test_a_client_that_does_not_trust_the_gate(
    version: ssl.TLSVersion, contexts: Contexts, tmp_path: Path
) -> None:
    client = ssl.create_default_context(cafile=str(Authority(tmp_path, "other").certificate))
    client.maximum_version = version
    assert failure((contexts[0], client)) is HandshakeFailure.GATE_CERTIFICATE_REFUSED


def test_a_client_that_is_too_old(contexts: Contexts) -> None:
    contexts[0].minimum_version = ssl.TLSVersion.TLSv1_3
    contexts[1].maximum_version = ssl.TLSVersion.TLSv1_2
    assert failure(contexts) is HandshakeFailure.PROTOCOL_VERSION


def test_no_cipher_in_common(contexts: Contexts) -> None:
    contexts[1].maximum_version = ssl.TLSVersion.TLSv1_2
    contexts[1].set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")  # the gate's key is no RSA key
    assert failure(contexts) is HandshakeFailure.NO_SHARED_CIPHER


@pytest.mark.parametrize(
    ("error", "cause", "words"),
    [
        (
            ConnectionAbortedError("SSL handshake is taking longer than 1 seconds"),
            HandshakeFailure.TIMEOUT,
            "the client did not finish it in time",
        ),
        (TimeoutError(), HandshakeFailure.TIMEOUT, "the client did not finish it in time"),
        (
            ConnectionResetError(104, "Connection reset by peer"),
            HandshakeFailure.CLIENT_CLOSED,
            "the client closed the connection",
        ),
        (ssl.SSLEOFError(8, "EOF occurred"), HandshakeFailure.CLIENT_CLOSED, "EOF occurred"),
        (ssl.SSLError(1, "something new"), HandshakeFailure.OTHER, "something new"),
        (OSError(12, "Cannot allocate memory"), HandshakeFailure.OTHER, "Cannot allocate memory"),
        (OSError(), HandshakeFailure.OTHER, "OSError"),
    ],
)
def test_other_errors(error: OSError, cause: HandshakeFailure, words: str) -> None:
    assert (cause_of(error), words_of(error)) == (cause, words)


def test_a_flood_is_an_event_a_minute_and_none_is_left_out() -> None:
    clock, events = ManualClock(), list[Event]()
    counted: list[HandshakeFailure] = []
    failures = HandshakeFailures(events.append, counted.append, clock)
    for number in range(1000):
        failures.add(HandshakeFailure.UNKNOWN_CA, "unknown", f"192.0.2.{number % 250}")
    failures.add(HandshakeFailure.TIMEOUT, "late", "192.0.2.9")
    assert len(counted) == 1001
    assert [each.fields()["count"] for each in events] == [1, 1]

    clock.advance(REPEAT_SECONDS - 1)
    failures.report()
    assert len(events) == 2
    clock.advance(1)
    failures.report()
    failures.report()
    _, _, last = events
    assert isinstance(last, TlsHandshakeFailed)
    assert (last.cause, last.count) == (HandshakeFailure.UNKNOWN_CA, 999)
    assert "999" in last.message()
    clock.advance(REPEAT_SECONDS)
    failures.report()
    assert len(events) == 3


def test_what_is_left_is_an_event_at_the_end() -> None:
    events = list[Event]()
    failures = HandshakeFailures(events.append, lambda _cause: None, ManualClock())
    for _ in range(3):
        failures.add(HandshakeFailure.OTHER, "other", "192.0.2.1")
    failures.report(last=True)
    assert [each.fields()["count"] for each in events] == [1, 2]
