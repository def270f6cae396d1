"""The header of the PROXY protocol, versions 1 and 2, with which a proxy names its client.

Source: proxy-protocol.txt of HAProxy, sections 2.1 and 2.2, whose grammar is read strictly.  A
header that can be read in two ways is none: the address that it gives counts for limits, for the
log and for which forwarding fields are believed.  It comes before everything else on a
connection, TLS included, and is read only where it must come: nothing here guesses whether what
has come is a header.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from headgate.net.addresses import unmapped

_NAME: Final = b"PROXY "
_LINE_BYTES: Final = 107
"""The longest line of version 1, its end included."""
_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED_BYTES: Final = 16
"""What each header of version 2 begins with: signature, command, family, and length."""
_LOCAL: Final = 0x20
_PROXY: Final = 0x21
_TCP4: Final = 0x11
_TCP6: Final = 0x21
_ADDRESS_BYTES: Final = (0, 12, 36, 216)
"""Bytes of both addresses and ports, by family: unspecified, IPv4, IPv6, Unix."""
_TRANSPORTS: Final = 3
"""Unspecified, stream and datagram."""
_TYPE_AND_LENGTH: Final = 3
_CRC32C: Final = 0x03
_CRC32C_BYTES: Final = 4
# The reflected polynomial 0x82F63B78 (RFC 4960, appendix B), applied to four bits at a time.
_CRC32C_STEPS: Final = (
    *(0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3, 0x61C69362),
    *(0x7198540D, 0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9, 0xC38D26C4, 0xD3D3E1AB),
    *(0xE330A81A, 0xF36E6F75),
)


class ProxyHeaderError(Exception):
    """What came is no PROXY header, or a wrong one; nothing on the connection can be believed.

    ``message`` says what is wrong, and repeats nothing of what came.  ``begun`` is whether what
    came began as a header.
    """

    def __init__(self, message: str, *, begun: bool = True) -> None:
        super().__init__(message)
        self.message = message
        self.begun = begun


class ProxyHeaderReader:
    """Reads the header of one connection, in whatever parts it comes.

    Its length is that of what has come of the header.

    Args:
        most: bytes that a header may have; one of version 1 has 107 at most.

    Attributes:
        done: whether the header is whole.
        source: the client's address, once it is; empty where that is the proxy itself, as in its
            health checks, or where the proxy does not know: the connection's own address counts.
    """

    __slots__ = ("_held", "_most", "done", "source")

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = bytearray()
        self.done = False
        self.source = ""

    def __len__(self) -> int:
        return len(self._held)

    def feed(self, data: bytes) -> int:
        """Take what came, before the header is whole.

        Returns:
            How many bytes of ``data`` are of the header.

        Raises:
            ProxyHeaderError: there can be no valid header any more.
        """
        held, before = self._held, len(self._held)
        held += data
        if _SIGNATURE.startswith(bytes(held[: len(_SIGNATURE)])):
            size = self._size_of_block()
        elif _NAME.startswith(bytes(held[: len(_NAME)])):
            size = self._size_of_line(max(0, before - 1))
        else:
            raise ProxyHeaderError("what came begins with no PROXY header", begun=False)
        if size == 0 or size > len(held):
            return len(data)
        del held[size:]
        header = bytes(held)
        self.source = _named_by_block(header) if held[0] == _SIGNATURE[0] else _named_by(header)
        self.done = True
        return size - before

    def _size_of_line(self, start: int) -> int:
        """The size of a header of version 1; 0 as long as its end has not come."""
        held = self._held
        ends = held.find(b"\n", start)
        line = len(held) if ends < 0 else ends + 1
        returns = held.find(b"\r", start, line)
        if ends >= 0 and (returns < 0 or returns != ends - 1):
            raise ProxyHeaderError("its line does not end with CR LF alone")
        if ends < 0 and 0 <= returns < line - 1:
            raise ProxyHeaderError("its line does not end with CR LF alone")
        if line > _LINE_BYTES or (ends < 0 and line == _LINE_BYTES):
            raise ProxyHeaderError(f"its line is longer than {_LINE_BYTES} bytes")
        return line if ends >= 0 else 0

    def _size_of_block(self) -> int:
        """The size of a header of version 2; 0 as long as it is not known."""
        held = self._held
        if len(held) > 12 and held[12] not in (_LOCAL, _PROXY):
            raise ProxyHeaderError("its version or its command is unknown")
        if len(held) < _FIXED_BYTES:
            return 0
        size = _FIXED_BYTES + (held[14] << 8 | held[15])
        if size > self._most:
            raise ProxyHeaderError(f"it has {size} bytes, and {self._most} are allowed")
        return size


def _named_by(line: bytes) -> str:
    """The source that a header of version 1 names.

    Raises:
        ProxyHeaderError: it is not of the form that section 2.1 gives.
    """
    words = line[:-2].split(b" ")
    if words[1] == b"UNKNOWN":
        return ""  # what follows must be ignored
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise ProxyHeaderError("its line has another form than PROXY, TCP4 or TCP6, and four words")
    is_v4 = words[1] == b"TCP4"
    source = _address(words[2], is_v4)
    _address(words[3], is_v4)
    for port in words[4:]:
        if not (port.isdigit() and len(port) <= 5 and int(port) <= 65_535):
            raise ProxyHeaderError("a port is no number up to 65535")
        if len(port) > 1 and port.startswith(b"0"):
            raise ProxyHeaderError("a port begins with a zero")
    return source


def _address(word: bytes, is_v4: bool) -> str:
    try:
        text = word.decode("ascii")
        if is_v4:
            return str(ipaddress.IPv4Address(text))
        if "%" in text:  # a zone (RFC 4007), which the form does not have
            raise ValueError
        return str(unmapped(ipaddress.IPv6Address(text)))
    except ValueError:
        family = "IPv4" if is_v4 else "IPv6"
        raise ProxyHeaderError(f"a word is no {family} address where one must be") from None


def _named_by_block(header: bytes) -> str:
    """The source that a header of version 2 names.

    Raises:
        ProxyHeaderError: it is not of the form that section 2.2 gives, or its checksum is wrong.
    """
    is_local = header[12] == _LOCAL
    family, transport = header[13] >> 4, header[13] & 0x0F
    is_known = family < len(_ADDRESS_BYTES) and transport < _TRANSPORTS
    if not (is_known or is_local):
        raise ProxyHeaderError("its address family or transport is unknown")
    fields = _FIXED_BYTES + (_ADDRESS_BYTES[family] if is_known else 0)
    if is_local:
        # Nothing of it counts, and no form is required; a checksum that is there must be right.
        _check_fields(header, fields, strict=False)
        return ""
    if fields > len(header):
        raise ProxyHeaderError("it is too short for its addresses")
    _check_fields(header, fields, strict=True)
    if header[13] == _TCP4:
        return str(ipaddress.IPv4Address(header[16:20]))
    if header[13] == _TCP6:
        return str(unmapped(ipaddress.IPv6Address(header[16:32])))
    return ""  # no address of TCP: "use the real endpoint addresses"


def _check_fields(header: bytes, at: int, *, strict: bool) -> None:
    """Check the further fields, which begin at ``at``: their bounds, and a checksum.

    Raises:
        ProxyHeaderError: a field goes beyond the end, where the form is ``strict``, or the checksum
            is wrong.
    """
    checksum = 0
    while at < len(header):
        value = at + _TYPE_AND_LENGTH
        ends = value + (header[at + 1] << 8 | header[at + 2]) if value <= len(header) else value
        if ends > len(header):
            if strict:
                raise ProxyHeaderError("a field goes beyond its end")
            break
        if header[at] == _CRC32C:
            if checksum or ends - value != _CRC32C_BYTES:
                raise ProxyHeaderError("it has two checksums, or one of another length than 4")
            checksum = value
        at = ends
    if checksum:
        ends = checksum + _CRC32C_BYTES
        blank = header[:checksum] + bytes(_CRC32C_BYTES) + header[ends:]
        if crc32c(blank) != int.from_bytes(header[checksum:ends], "big"):
            raise ProxyHeaderError("its checksum is wrong")


def crc32c(data: bytes) -> int:
    """The checksum of RFC 4960, appendix B."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        crc = crc >> 4 ^ _CRC32C_STEPS[crc & 0x0F]
        crc = crc >> 4 ^ _CRC32C_STEPS[crc & 0x0F]
    return crc ^ 0xFFFFFFFF
