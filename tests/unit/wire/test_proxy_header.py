"""A PROXY header is read exactly as proxy-protocol.txt has it, however it comes."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.wire.proxy_header import ProxyHeaderError, ProxyHeaderReader, crc32c
from tests.support.proxy_headers import LOCAL, SIGNATURE, UNIX, block, field, line, with_checksum

MOST = 128 * 1024
V4, V6 = "198.51.100.7", "2001:db8::7"
TO_V4, TO_V6 = "192.0.2.80", "2001:db8::80"


def read(data: bytes, most: int = MOST) -> tuple[str, bytes]:
    """The source, and what follows the header, which must be whole."""
    reader = ProxyHeaderReader(most)
    used = reader.feed(data)
    assert reader.done
    assert len(reader) == used
    return reader.source, data[used:]


def read_in(parts: list[bytes], most: int = MOST) -> tuple[str, bytes]:
    """The same of a header that comes in parts."""
    reader = ProxyHeaderReader(most)
    rest = b""
    for part in parts:
        if reader.done:
            rest += part
        elif part:
            rest += part[reader.feed(part) :]
    assert reader.done
    return reader.source, rest


# --- what is accepted ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "source"),
    [
        (b"PROXY TCP4 198.51.100.7 192.0.2.80 40000 443\r\n", V4),
        (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255"),
        (b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0"),  # noqa: S104
        (b"PROXY TCP6 2001:db8::7 2001:db8::80 40000 443\r\n", V6),
        (b"PROXY TCP6 2001:DB8:0:0:0:0:0:7 ::1 1 2\r\n", V6),
        (b"PROXY TCP6 " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2) + b" 65535 65535\r\n", None),
        (b"PROXY TCP6 ::ffff:198.51.100.7 ::ffff:c000:250 1 2\r\n", V4),
        (b"PROXY UNKNOWN\r\n", ""),
        (b"PROXY UNKNOWN ffff::1 anything \x00\xff at all\r\n", ""),
        (b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", ""),
        (block(V4, TO_V4), V4),
        (block(V6, TO_V6), V6),
        (block("::ffff:198.51.100.7", TO_V6), V4),
        (block(V4, TO_V4, field(0x04, b"padding"), field(0xEA, b"\x01vpce-0123456789abcdef0")), V4),
        (block(V6, TO_V6, field(0x20, b"\x01\0\0\0\0" + field(0x21, b"TLSv1.3"))), V6),
        (block(V4, TO_V4, field(0x02, b"")), V4),
        (with_checksum(block(V4, TO_V4)), V4),
        (with_checksum(block(V6, TO_V6, field(0x01, b"http/1.1"))), V6),
        (LOCAL, ""),
        (with_checksum(LOCAL), ""),
        (SIGNATURE + b"\x20\xff\x00\x05other", ""),  # LOCAL: the family is ignored
        (SIGNATURE + b"\x20\x11\x00\x0c" + bytes(12), ""),
        (SIGNATURE + b"\x21\x00\x00\x00", ""),  # unspecified
        (SIGNATURE + b"\x21\x12\x00\x0c" + bytes(12), ""),  # UDP: no address of TCP
        (SIGNATURE + b"\x21\x22\x00\x24" + bytes(36), ""),
        (SIGNATURE + b"\x21\x10\x00\x0c" + bytes(12), ""),
        (UNIX, ""),
    ],
)
def test_whose_connection_it_is(sent: bytes, source: str | None) -> None:
    source = ":".join(["ffff"] * 8) if source is None else source
    for rest in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"PROXY UNKNOWN\r\n"):
        assert read(sent + rest) == (source, rest)
        assert read_in([bytes([each]) for each in sent + rest]) == (source, rest)


def test_it_waits_for_the_whole() -> None:
    for sent in (b"PROXY TCP4 198.51.100.7 192.0.2.80 40000 443\r\n", block(V4, TO_V4), UNIX):
        for size in range(1, len(sent)):
            reader = ProxyHeaderReader(MOST)
            assert reader.feed(sent[:size]) == size
            assert not reader.done


def test_the_checksum_is_that_of_the_standard() -> None:
    """RFC 3720, appendix B.4, has the examples of the same polynomial."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


# --- what is not ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"G",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"PROPFIND / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b" PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b"\r\nPROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY\tTCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b"\x16\x03\x01",
        b"\x00",
        b"\r\n\r\n\x00\r\nQUIX",
    ],
)
def test_what_begins_otherwise_is_no_header(sent: bytes) -> None:
    with pytest.raises(ProxyHeaderError) as raised:
        read_in([bytes([each]) for each in sent])
    assert not raised.value.begun


@pytest.mark.parametrize(
    "rest",
    [
        *(f"TCP4 {each} 5.6.7.8 1 2" for each in ("01.2.3.4", "1.2.3", "1.2.3.4.5", "1.2.3.256")),
        *(f"TCP4 {each} 5.6.7.8 1 2" for each in ("::1", "1.2.3.4/32", "0x1.2.3.4", "1.2.3.-4")),
        *(f"TCP4 {each} 5.6.7.8 1 2" for each in ("", "localhost", "1.2.3.4,5.6.7.8", "1..3.4")),
        *(f"TCP4 1.2.3.4 {each} 1 2" for each in ("05.6.7.8", "x", "::1")),
        *(f"TCP4 1.2.3.4 5.6.7.8 {each} 2" for each in ("01", "65536", "-1", "+1", "1x", "", "00")),
        *(f"TCP4 1.2.3.4 5.6.7.8 1 {each}" for each in ("02", "99999", "1e3", "0x1", "", "2 ")),
        *(f"TCP6 {each} ::1 1 2" for each in ("1.2.3.4", "::1%eth0", "1:2", ":::", "::1::", "g::")),
        *(f"TCP6 {each} ::1 1 2" for each in ("[::1]", "00000::1", "::1.2.3.04", "::1/128")),
        *(
            "TCP4",
            "TCP4 1.2.3.4 5.6.7.8 1",
            "TCP4 1.2.3.4 5.6.7.8 1 2 3",
            "TCP5 1.2.3.4 5.6.7.8 1 2",
        ),
        *("TCP4  1.2.3.4 5.6.7.8 1 2", "TCP4 1.2.3.4 5.6.7.8\t1 2", " TCP4 1.2.3.4 5.6.7.8 1 2"),
        *(
            "UNKNOWNTCP4",
            "unknown",
            "UDP4 1.2.3.4 5.6.7.8 1 2",
            "",
            "TCP4 1.2.3.4 \N{ARABIC-INDIC DIGIT FIVE}.6.7.8 1 2",
        ),
    ],
)
def test_a_line_of_another_form_is_wrong(rest: str) -> None:
    sent = f"PROXY {rest}\r\n".encode()
    for parts in ([sent], [bytes([each]) for each in sent]):
        with pytest.raises(ProxyHeaderError) as raised:
            read_in(parts)
        assert raised.value.begun


@pytest.mark.parametrize(
    "sent",
    [
        b"PROXY UNKNOWN\n",
        b"PROXY UNKNOWN\r",
        b"PROXY UNKNOWN\rX\r\n",
        b"PROXY UNKNOWN\r\r\n",
        b"PROXY UNKNOWN x\ny\r\n",
        b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
        b"PROXY UNKNOWN " + b"x" * 200,
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n\r\n",
    ],
)
def test_a_line_ends_with_both_bytes_within_107(sent: bytes) -> None:
    """The last one alone is incomplete, in the second case, until another byte has come."""
    with pytest.raises(ProxyHeaderError):
        read(sent + b"GET")
    with pytest.raises(ProxyHeaderError):
        read_in([bytes([each]) for each in sent + b"GET"])


@pytest.mark.parametrize(
    "sent",
    [
        SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12),  # version 1
        SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12),  # an unknown command
        SIGNATURE + b"\x21\x41\x00\x0c" + bytes(12),  # an unknown family
        SIGNATURE + b"\x21\x13\x00\x0c" + bytes(12),  # an unknown transport
        SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),
        SIGNATURE + b"\x21\x21\x00\x23" + bytes(35),
        SIGNATURE + b"\x21\x31\x00\xd7" + bytes(215),
        SIGNATURE + b"\x21\x11\x00\x00",
        block(V4, TO_V4, b"\x04"),
        block(V4, TO_V4, b"\x04\x00"),
        block(V4, TO_V4, b"\x04\x00\x01"),
        block(V4, TO_V4, b"\x04\xff\xff" + bytes(100)),
        block(V4, TO_V4, field(0x03, b"")),
        block(V4, TO_V4, field(0x03, b"\0\0\0")),
        block(V4, TO_V4, field(0x03, bytes(4))),
        with_checksum(block(V4, TO_V4, field(0x03, bytes(4)))),
        with_checksum(LOCAL)[:-1] + b"\x00",
    ],
)
def test_a_block_of_another_form_is_wrong(sent: bytes) -> None:
    for parts in ([sent], [bytes([each]) for each in sent], [sent + b"\x16\x03\x01"]):
        with pytest.raises(ProxyHeaderError) as raised:
            read_in(parts)
        assert raised.value.begun


def test_a_long_block_is_refused_by_its_length_alone() -> None:
    reader = ProxyHeaderReader(1024)
    with pytest.raises(ProxyHeaderError, match="1025 bytes, and 1024 are allowed"):
        reader.feed(SIGNATURE + b"\x21\x11" + struct.pack(">H", 1025 - 16))
    longest = block(V4, TO_V4, field(0x04, bytes(1024 - 16 - 12 - 3)))
    assert read(longest, 1024) == (V4, b"")


# --- whatever comes ------------------------------------------------------------------------------

ports = st.integers(0, 65_535)
addresses = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)),
    st.tuples(st.ip_addresses(v=6), st.ip_addresses(v=6)),
)
fields = st.lists(
    st.tuples(st.integers(0, 255).filter(lambda kind: kind != 0x03), st.binary(max_size=40)),
    max_size=4,
)


@st.composite
def headers(draw: st.DrawFn) -> tuple[bytes, str]:
    """A valid header, and the source that it names."""
    source, target = map(str, draw(addresses))
    mapped = getattr(ipaddress.ip_address(source), "ipv4_mapped", None)
    named = str(mapped or source)
    if draw(st.booleans()):
        return line(source, target, draw(ports), draw(ports)), named
    made = block(source, target, *(field(kind, value) for kind, value in draw(fields)))
    return (with_checksum(made) if draw(st.booleans()) else made), named


@given(headers(), st.binary(max_size=20), st.data())
def test_any_header_in_any_parts(
    header: tuple[bytes, str], rest: bytes, data: st.DataObject
) -> None:
    sent, source = header
    whole = sent + rest
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    parts = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert read_in(parts) == (source, rest)


@given(addresses, st.data())
def test_a_changed_byte_makes_no_other_address_where_there_is_a_checksum(
    pair: tuple[object, object], data: st.DataObject
) -> None:
    """CRC32c finds every single byte, unless the checksum itself is no longer taken for one.

    The family is left out: it says where fields begin.
    """
    sent = with_checksum(block(str(pair[0]), str(pair[1]), field(1, b"http/1.1")))
    at = data.draw(st.integers(0, len(sent) - 1).filter(lambda at: at != 13))
    changed = bytearray(sent)
    changed[at] ^= data.draw(st.integers(1, 255))
    reader = ProxyHeaderReader(MOST)
    try:
        reader.feed(bytes(changed))
    except ProxyHeaderError:
        return
    assert not reader.done or reader.source == read(sent)[0]


@given(headers(), st.data())
def test_what_is_accepted_says_what_it_stands_for(
    header: tuple[bytes, str], data: st.DataObject
) -> None:
    """A changed header is refused, waits for more, or names the address that stands in it."""
    sent, _ = header
    changed = bytearray(sent)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    reader = ProxyHeaderReader(MOST)
    try:
        used = reader.feed(bytes(changed))
    except ProxyHeaderError:
        return
    if not reader.done or not reader.source:
        return
    accepted = bytes(changed[:used])
    if accepted.startswith(SIGNATURE):
        size = 4 if accepted[13] == 0x11 else 16
        written = ipaddress.ip_address(accepted[16 : 16 + size])
    else:
        written = ipaddress.ip_address(accepted.split(b" ")[2].decode())
    mapped = getattr(written, "ipv4_mapped", None)
    assert reader.source == str(mapped or written)
