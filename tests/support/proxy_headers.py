"""Headers of the PROXY protocol, as a proxy writes them."""

from __future__ import annotations

import ipaddress
import struct

from headgate.wire.proxy_header import crc32c

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"
"""What a proxy sends for a connection of its own."""
UNIX = SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216)
"""What it sends for a client that came over a Unix socket."""


def line(source: str, target: str, source_port: int = 40_000, target_port: int = 443) -> bytes:
    """A header of version 1."""
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {target} {source_port} {target_port}\r\n".encode()


def block(source: str, target: str, *fields: bytes) -> bytes:
    """A header of version 2, with further fields."""
    addresses = [ipaddress.ip_address(each).packed for each in (source, target)]
    family = 0x21 if ":" in source else 0x11
    content = b"".join((*addresses, struct.pack(">HH", 40_000, 443), *fields))
    return SIGNATURE + bytes((0x21, family)) + struct.pack(">H", len(content)) + content


def field(kind: int, value: bytes) -> bytes:
    """A further field of version 2."""
    return bytes((kind,)) + struct.pack(">H", len(value)) + value


def with_checksum(header: bytes) -> bytes:
    """The same header of version 2 with a field more, its checksum."""
    size = len(header) - 16 + 7
    blank = header[:14] + struct.pack(">H", size) + header[16:] + field(0x03, bytes(4))
    return blank[:-4] + struct.pack(">I", crc32c(blank))
