"""How long the certificates that the configuration names are valid."""

from __future__ import annotations

import asyncio
import base64
import binascii
import calendar
import enum
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headgate.config import Config
from headgate.config.files import Files
from headgate.errors import HeadgateError
from headgate.events import CertificateEnded, CertificateEndsSoon, Emit

DAY: Final = 86400.0
SOON_DAYS: Final = 30
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
# Tags of DER (X.690 section 8.1.2) that a certificate has (RFC 5280 section 4.1).
_SEQUENCE, _VERSION, _UTC_TIME, _GENERAL_TIME = 0x30, 0xA0, 0x17, 0x18


class CertificateUse(enum.StrEnum):
    """What a certificate is for.

    ``LISTENER`` and ``UPSTREAM``: the gate shows it, to clients and to an upstream.  The others are
    authorities, by which the gate knows clients, an upstream and an issuer of tokens.
    """

    LISTENER = "listener"
    CLIENT_CA = "client_ca"
    UPSTREAM = "upstream"
    UPSTREAM_CA = "upstream_ca"
    ISSUER_CA = "issuer_ca"


_SHOWN: Final = (CertificateUse.LISTENER, CertificateUse.UPSTREAM)


@dataclass(frozen=True, slots=True)
class Validity:
    """How long the certificates of one file are valid.

    Attributes:
        use: what they are for.
        setting: the setting that names it.
        file: the file.
        ends: when the first of them ends, seconds since the epoch; for authorities, the last one:
            a bundle may contain expired ones.
    """

    use: CertificateUse
    setting: str
    file: str
    ends: float

    def days_left(self, now: float) -> float:
        """Days until the end; negative after it."""
        return (self.ends - now) / DAY

    def is_due(self, now: float) -> bool:
        """Whether it has to be renewed soon."""
        return self.days_left(now) < SOON_DAYS

    def text(self, now: float) -> str:
        """When it ends, in words."""
        date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.ends))
        days = self.days_left(now)
        if days < 0:
            return f"ended on {date}"
        return f"ends on {date}, in {days:.0f} days" if days >= 2 else f"ends on {date}"


def validities(config: Config, contents: Mapping[str, bytes] | None = None) -> list[Validity]:
    """How long each certificate of a configuration is valid.

    Args:
        config: names them.
        contents: what the files hold, by path; ``None``: they are read from disk.

    A file that is missing or cannot be read is left out: it is reported where it is used.
    """
    files = Files(contents)
    found = []
    for use, setting, file in _named(config):
        try:
            ends = list(_ends(files.read(file)))
        except HeadgateError:
            continue
        if ends:
            end = min(ends) if use in _SHOWN else max(ends)
            found.append(Validity(use, setting, str(file), end))
    return found


async def watch_validity(
    current: Callable[[], Sequence[Validity]],
    emit: Emit,
    clock: Callable[[], float] = time.time,
    pause: float = DAY,
) -> None:
    """Emit an event for each certificate that ends soon or has ended, now and once a day."""
    while True:
        now = clock()
        for each in current():
            if each.is_due(now):
                days = each.days_left(now)
                kind = CertificateEnded if days < 0 else CertificateEndsSoon
                emit(kind(each.setting, each.file, round(days, 1), each.text(now)))
        await asyncio.sleep(pause)


def _named(config: Config) -> Iterator[tuple[CertificateUse, str, Path]]:
    """Each certificate file: what it is for, its setting and its path."""
    if config.listen.tls is not None:
        yield CertificateUse.LISTENER, "listen.tls.certificate", config.listen.tls.certificate
        if config.listen.tls.client_ca is not None:
            yield CertificateUse.CLIENT_CA, "listen.tls.client_ca", config.listen.tls.client_ca
    for name, upstream in config.upstreams.items():
        path = f"upstreams.{name}.tls"
        if upstream.tls.certificate is not None:
            yield CertificateUse.UPSTREAM, f"{path}.certificate", upstream.tls.certificate
        if upstream.tls.ca is not None:
            yield CertificateUse.UPSTREAM_CA, f"{path}.ca", upstream.tls.ca
    for name, issuer in config.auth.issuers.items():
        if issuer.ca is not None:
            yield CertificateUse.ISSUER_CA, f"auth.issuers.{name}.ca", issuer.ca


def _ends(content: bytes) -> Iterator[float]:
    """When each certificate of a PEM file ends; other content is skipped."""
    for block in content.split(_BEGIN)[1:]:
        try:
            der = base64.b64decode(block.partition(_END)[0])
            yield _end(der)
        except (binascii.Error, ValueError, IndexError, OverflowError):
            continue


def _end(der: bytes) -> float:
    """The field ``notAfter`` of a certificate, seconds since the epoch.

    Raises:
        ValueError: it is not a certificate.
        IndexError: it is cut short.
    """
    _, certificate, _ = _element(der, _SEQUENCE)
    _, body, _ = _element(certificate, _SEQUENCE)
    tag, _, rest = _element(body)
    if tag == _VERSION:
        _, _, rest = _element(rest)  # the serial number
    _, _, rest = _element(rest)  # the signature's algorithm
    _, _, rest = _element(rest)  # the issuer
    _, validity, _ = _element(rest, _SEQUENCE)
    _, _, rest = _element(validity)  # notBefore
    tag, moment, _ = _element(rest)
    text = moment.decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year: from 1950 to 2049 (RFC 5280 section 4.1.2.5.1)
        text = ("19" if text >= "5" else "20") + text
    elif tag != _GENERAL_TIME:
        raise ValueError("no time")
    return float(calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ")))


def _element(der: bytes, expected: int | None = None) -> tuple[int, bytes, bytes]:
    """The first element: its tag and content, and what follows it (X.690 section 8.1).

    Raises:
        ValueError: it is of another kind.
        IndexError: it is cut short.
    """
    tag, size, start = der[0], der[1], 2
    if expected is not None and tag != expected:
        raise ValueError("another kind of element")
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(der[2:start], "big")
    if start + size > len(der):
        raise IndexError("cut short")
    return tag, der[start : start + size], der[start + size :]
