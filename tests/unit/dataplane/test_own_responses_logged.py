"""What the log says of requests that the gate answers itself: malformed ones, and its refusals."""

from __future__ import annotations

import pytest

from headgate.net.addresses import plain_peer
from headgate.reasons import Reason
from headgate.testing.dialogue import Dialogue


@pytest.mark.parametrize(
    ("head", "method", "target", "detail"),
    [
        (b"GET /a HTTP/1.1\r\n\r\n", b"GET", b"/a", "the Host field is missing"),
        (b"POST /a?b HTTP/1.1\r\nHost: a b\r\n\r\n", b"POST", b"/a?b", "the Host field"),
        (b"TRACE /a HTTP/1.1\r\nHost: a\r\n\r\n", b"TRACE", b"/a", "TRACE is not served here"),
        (b"GET  /a HTTP/1.1\r\nHost: a\r\n\r\n", b"GET", b"/a", "more than one space"),
        (b"GET /a HTTP/3.0\r\nHost: a\r\n\r\n", b"GET", b"/a", "HTTP/1.1"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", b"", b"", "does not start with a method"),
        (b"GET /" + b"a" * 200_000, b"GET", b"/" + b"a" * 4091, "the request target is over"),
    ],
)
def test_a_malformed_request_is_logged_with_what_it_looked_like(
    head: bytes, method: bytes, target: bytes, detail: str, dialogue: Dialogue
) -> None:
    dialogue.client().sends(head)
    outcome = dialogue.outcome()
    assert outcome.reason in (Reason.REQUEST_MALFORMED, Reason.REQUEST_AMBIGUOUS)
    assert (outcome.method, outcome.target) == (method, target)
    assert detail in outcome.detail


@pytest.mark.parametrize(("method", "has_body"), [(b"POST", True), (b"HEAD", False)])
def test_the_bytes_of_a_refusal_are_counted(
    method: bytes, has_body: bool, dialogue: Dialogue
) -> None:
    client = dialogue.client()
    client.sends(b"%b /a HTTP/1.1\r\nHost: a b\r\n\r\n" % method)
    body = client.received().partition(b"\r\n\r\n")[2]
    assert bool(body) is has_body
    assert dialogue.outcome().bytes_out == len(body)


@pytest.mark.parametrize(
    ("peer", "shown"),
    [("::ffff:127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("10.0.0.1", "10.0.0.1"), ("", "")],
)
def test_an_ipv4_client_of_a_socket_for_both_has_its_own_address(peer: str, shown: str) -> None:
    assert plain_peer(peer) == shown
