"""Where PROXY protocol is required: whose connection it is, and what is closed without a word."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.config import Limits
from headgate.dataplane.client import ClientConnection
from headgate.dataplane.client_proxied import accepted
from headgate.events import CutLimit, ProxyProtocolFailure, ProxyProtocolRefused
from headgate.testing.dialogue import CLIENT, Dialogue
from headgate.testing.messages import Message, request, response
from headgate.testing.transport import End, Peer
from tests.support.proxy_headers import LOCAL, SIGNATURE, block, line, with_checksum

PROXY = CLIENT[0]
SOURCE, TARGET = "198.51.100.7", "192.0.2.80"
GET = request("GET /stream")
HEADER = line(SOURCE, TARGET)


def refused(dialogue: Dialogue) -> list[ProxyProtocolRefused]:
    """What was refused until now, as the log has it."""
    dialogue.sweeps()
    return [each for each in dialogue.events if isinstance(each, ProxyProtocolRefused)]


def closed_without_a_word(peer: Peer) -> bool:
    return peer.closed() and peer.received() == b""


# --- whose connection it is ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", [HEADER, block(SOURCE, TARGET), with_checksum(block(SOURCE, TARGET))]
)
@pytest.mark.parametrize("together", [True, False])
def test_the_client_is_the_one_that_the_header_names(
    header: bytes, together: bool, dialogue: Dialogue
) -> None:
    proxy = dialogue.proxy()
    if together:
        proxy.sends(header + GET)
    else:
        proxy.sends(*(header[at : at + 1] for at in range(len(header))))
        proxy.sends(GET[:10], GET[10:])
    mlflow = dialogue.mlflow_accepts()
    assert Message.of(mlflow.received()).fields[b"x-forwarded-for"] == SOURCE.encode()
    mlflow.sends(response(200, body=b"done"))
    assert proxy.received().endswith(b"done")
    assert dialogue.outcome().client == SOURCE
    proxy.sends(GET)  # one header for the whole connection
    mlflow.sends(response(200, body=b"again"))
    assert dialogue.outcome().client == SOURCE


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x21\x00\x00\x00"])
def test_a_connection_of_the_proxys_own_is_its_own(header: bytes, dialogue: Dialogue) -> None:
    proxy = dialogue.proxy()
    proxy.sends(header + request("GET /refused"))
    assert proxy.received().startswith(b"HTTP/1.1 ")
    assert dialogue.outcome().client == PROXY


@pytest.mark.parametrize(
    ("trusted", "client", "chain"),
    [
        ("192.0.2.0/24", SOURCE, SOURCE),  # the proxy is believed only about the connection
        ("198.51.100.0/24", "203.0.113.9", f"203.0.113.9, {SOURCE}"),
    ],
)
def test_forwarding_fields_are_believed_if_the_named_address_is_trusted(
    trusted: str, client: str, chain: str, dialogue: Dialogue
) -> None:
    dialogue.plane.configure(dialogue.decider, dialogue.limits, (ipaddress.ip_network(trusted),))
    proxy = dialogue.proxy()
    proxy.sends(HEADER + request("GET /stream", "X-Forwarded-For: 203.0.113.9"))
    mlflow = dialogue.mlflow_accepts()
    assert Message.of(mlflow.received()).fields[b"x-forwarded-for"] == chain.encode()
    mlflow.sends(response(200))
    assert dialogue.outcome().client == client


def test_another_header_in_a_later_request_is_no_header(dialogue: Dialogue) -> None:
    proxy = dialogue.proxy()
    proxy.sends(HEADER + HEADER + GET)
    assert proxy.received().startswith(b"HTTP/1.1 501 ")
    assert dialogue.outcome().client == SOURCE


@pytest.mark.parametrize(
    ("header", "status"), [(HEADER, b"501"), (block(SOURCE, TARGET), b"400"), (LOCAL, b"400")]
)
def test_without_the_setting_a_header_is_a_bad_request(
    header: bytes, status: bytes, dialogue: Dialogue
) -> None:
    client = dialogue.client()
    client.sends(header + GET)
    assert client.received().startswith(b"HTTP/1.1 " + status)
    assert dialogue.outcome().client == PROXY


def test_without_the_setting_nothing_stands_before_the_connection(dialogue: Dialogue) -> None:
    assert isinstance(accepted(dialogue.plane), ClientConnection)


# --- what is closed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (GET, ProxyProtocolFailure.MISSING),
        (b"\x16\x03\x01\x02\x00", ProxyProtocolFailure.MISSING),
        (b"PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n" + GET, ProxyProtocolFailure.MALFORMED),
        (block(SOURCE, TARGET, b"\x04\xff\xff") + GET, ProxyProtocolFailure.MALFORMED),
        (b"PROXY " + b"x" * 200, ProxyProtocolFailure.MALFORMED),
        (SIGNATURE + b"\x21\x11\xff\xff" + bytes(1000), ProxyProtocolFailure.MALFORMED),
    ],
)
def test_a_missing_or_wrong_header_closes_the_connection(
    sent: bytes, cause: ProxyProtocolFailure
) -> None:
    dialogue = Dialogue(Limits(head_bytes=1024))
    proxy = dialogue.proxy()
    proxy.sends(sent)
    assert closed_without_a_word(proxy)
    (event,) = refused(dialogue)
    assert (event.client, event.cause, event.count) == (PROXY, cause, 1)
    assert dialogue.plane.cuts.take() == {CutLimit.PROXY_HEADER: 1}
    dialogue.ends()


def test_others_than_the_listed_proxies_are_closed_even_with_a_header(dialogue: Dialogue) -> None:
    stranger = dialogue.proxy("10.0.0.0/8")
    assert closed_without_a_word(stranger)
    (event,) = refused(dialogue)
    assert (event.client, event.cause) == (PROXY, ProxyProtocolFailure.NETWORK)
    assert dialogue.plane.cuts.take() == {CutLimit.PROXY_NETWORK: 1}
    assert dialogue.plane.admission.total == 0


@pytest.mark.parametrize("part", [b"", b"PROXY TCP4 198.51.100.7", SIGNATURE])
def test_a_header_that_is_late_closes_the_connection(part: bytes, dialogue: Dialogue) -> None:
    proxy = dialogue.proxy()
    proxy.sends(*([part] if part else []))
    dialogue.passes(29)
    assert not proxy.closed()
    proxy.sends(*([b" "] if part == b"PROXY TCP4 198.51.100.7" else []))  # no reason to wait longer
    dialogue.passes(2)
    assert closed_without_a_word(proxy)
    (event,) = refused(dialogue)
    assert event.cause is ProxyProtocolFailure.TIMEOUT
    assert event.detail == "its header was not complete after 30 s"
    assert dialogue.plane.cuts.take() == {CutLimit.HEADER_TIMEOUT: 1}


def test_the_head_has_its_own_time_after_the_header(dialogue: Dialogue) -> None:
    proxy = dialogue.proxy()
    proxy.sends(HEADER)
    dialogue.passes(31)
    assert closed_without_a_word(proxy)
    assert dialogue.plane.cuts.take() == {CutLimit.HEADER_TIMEOUT: 1}
    assert refused(dialogue) == []


@pytest.mark.parametrize("leave", [Peer.finishes, Peer.resets])
def test_a_check_of_the_port_is_no_failure(leave: object, dialogue: Dialogue) -> None:
    """A balancer that only looks whether the port is open sends nothing, and closes."""
    leave(dialogue.proxy())  # type: ignore[operator]
    assert refused(dialogue) == []
    broken = dialogue.proxy()
    broken.sends(HEADER[:-1])
    leave(broken)  # type: ignore[operator]
    (event,) = refused(dialogue)
    assert (event.cause, event.detail) == (
        ProxyProtocolFailure.MALFORMED,
        "it ended within its header",
    )


def test_the_log_has_the_first_of_a_cause_and_then_a_number_each_minute(
    dialogue: Dialogue,
) -> None:
    for _ in range(3):
        dialogue.proxy().sends(GET)
        dialogue.passes(10)
    dialogue.proxy("10.0.0.0/8")
    dialogue.passes(40)
    assert [(each.cause, each.count) for each in refused(dialogue)] == [
        (ProxyProtocolFailure.MISSING, 1),
        (ProxyProtocolFailure.NETWORK, 1),
        (ProxyProtocolFailure.MISSING, 2),
    ]


@pytest.mark.parametrize("stop", [Dialogue.drains, lambda dialogue: dialogue.plane.abort()])
def test_a_worker_that_stops_waits_for_no_header(stop: object, dialogue: Dialogue) -> None:
    proxy = dialogue.proxy()
    proxy.sends(HEADER[:10])
    stop(dialogue)  # type: ignore[operator]
    dialogue.turns.run()
    assert closed_without_a_word(proxy)
    assert refused(dialogue) == []


# --- what it counts for --------------------------------------------------------------------------


def test_each_client_has_its_own_half_of_the_connections_behind_one_proxy() -> None:
    dialogue = Dialogue(Limits(connections=4))
    first = [dialogue.proxy() for _ in range(1)]
    for number in range(2):
        dialogue.proxy().sends(line("203.0.113.1", TARGET))
        assert dialogue.plane.admission.total == number + 2
    third = dialogue.proxy()
    third.sends(line("203.0.113.1", TARGET))  # it has half of them, as the response says
    assert third.received().startswith(b"HTTP/1.1 429 ")
    dialogue.proxy().sends(line("203.0.113.2", TARGET))
    assert dialogue.plane.admission.total == 4
    full = dialogue.proxy()
    assert closed_without_a_word(full)
    first[0].resets()
    dialogue.outcomes()
    dialogue.ends()


def test_until_its_header_has_come_a_connection_counts_for_the_proxy() -> None:
    dialogue = Dialogue(Limits(connections=4))
    waiting = [dialogue.proxy() for _ in range(2)]
    assert closed_without_a_word(dialogue.proxy())
    for each in waiting:
        each.sends(line("203.0.113.1", TARGET))
    assert not dialogue.proxy().closed()
    dialogue.ends()


@given(st.lists(st.sampled_from(["connects", "sends", "wrong", "leaves", "waits"]), max_size=40))
def test_nothing_is_left_behind_whatever_comes(steps: list[str]) -> None:
    dialogue = Dialogue(Limits(connections=6))
    peers: list[Peer] = []
    for number, step in enumerate(steps):
        open_peers = [each for each in peers if not each.closed()]
        if step == "connects" or not open_peers:
            peers.append(dialogue.proxy())
        elif step == "sends":
            open_peers[number % len(open_peers)].sends(HEADER[: 1 + number % len(HEADER)])
        elif step == "wrong":
            open_peers[0].sends(b"\x00")
        elif step == "leaves":
            open_peers[-1].resets()
        else:
            dialogue.passes(20)
        assert dialogue.plane.admission.total == len(dialogue.plane.connections)
        assert dialogue.plane.unfinished_bytes >= 0
    dialogue.ends()
    assert dialogue.plane.admission.total == 0
    assert dialogue.plane.unfinished_bytes == 0


@pytest.mark.patches
def test_what_is_held_of_headers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.dataplane.plane.UNFINISHED_BYTES", 100)
    dialogue = Dialogue()
    first, second = dialogue.proxy(), dialogue.proxy()
    long = SIGNATURE + b"\x21\x11\x03\x00"
    first.sends(long + bytes(50))
    second.sends(long + bytes(50))
    assert (first.closed(), second.closed()) == (True, False)
    assert first.end() is End.CUT
    dialogue.ends()
