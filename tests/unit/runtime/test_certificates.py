"""When certificates end, as another library reads them, and the events of it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.config import Config, load
from headgate.events import Event, Level
from headgate.runtime import certificates
from headgate.runtime.certificates import DAY, CertificateUse, Validity, validities, watch_validity
from tests.support.certificates import Authority

KEY = ec.generate_private_key(ec.SECP256R1())
NOON = 1_800_000_000.0


def pem(ends: dt.datetime, serial: int = 1, name: str = "gate") -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(KEY.public_key())
        .serial_number(serial)
        .not_valid_before(min(ends, dt.datetime(2000, 1, 1, tzinfo=dt.UTC)))
        .not_valid_after(ends)
        .sign(KEY, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def at(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# From 1950 to 9999, as certificates may have it.
moments = st.integers(-631_000_000, 253_402_300_799).map(
    lambda seconds: EPOCH + dt.timedelta(seconds=seconds)
)


@settings(max_examples=60)
@given(ends=moments, serial=st.integers(1, 2**150), name=st.text("abcé", min_size=1, max_size=32))
def test_the_end_is_what_is_written(ends: dt.datetime, serial: int, name: str) -> None:
    assert list(certificates._ends(pem(ends, serial, name))) == [ends.timestamp()]


@given(noise=st.binary(max_size=60), place=st.integers(0, 700), cut=st.integers(0, 700))
def test_what_is_no_certificate_is_passed_over(noise: bytes, place: int, cut: int) -> None:
    whole = pem(at(NOON))
    for spoiled in (whole[:place] + noise + whole[place:], whole[:cut], noise):
        assert len(list(certificates._ends(spoiled))) <= 1


def config(folder: Path, **files: bytes) -> Config:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "key").write_text("x")
    return load(
        None,
        {},
        {
            "listen.tls.certificate": folder / "own",
            "listen.tls.key": folder / "key",
            "listen.tls.client_ca": folder / "authorities",
        },
    )


def test_the_first_of_a_chain_counts_and_the_last_of_authorities(tmp_path: Path) -> None:
    both = pem(at(NOON + DAY)) + b"# a word between\n" + pem(at(NOON + 9 * DAY))
    found = validities(config(tmp_path, own=both, authorities=both))
    assert [(each.setting, each.ends) for each in found] == [
        ("listen.tls.certificate", NOON + DAY),
        ("listen.tls.client_ca", NOON + 9 * DAY),
    ]


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    made = config(tmp_path, own=b"nonsense", authorities=pem(at(NOON)))
    (tmp_path / "authorities").unlink()
    assert validities(made) == []
    kept = validities(made, {str(tmp_path / "own"): pem(at(NOON))})
    assert [each.ends for each in kept] == [NOON]


@pytest.mark.parametrize(
    ("days", "due", "words"),
    [
        (31, False, "in 31 days"),
        (29, True, "in 29 days"),
        (1, True, "ends on"),
        (-1, True, "ended on"),
    ],
)
def test_in_words(days: float, due: bool, words: str) -> None:
    validity = Validity(CertificateUse.LISTENER, "listen.tls.certificate", "/f", NOON + days * DAY)
    assert validity.is_due(NOON) is due
    assert words in validity.text(NOON)


def test_it_is_an_event_now_and_every_day() -> None:
    events: list[Event] = []
    days = [0, 2, 2.1]
    use = CertificateUse.LISTENER
    found = [
        Validity(use, "a", "/a", NOON + 1.5 * DAY),
        Validity(use, "b", "/b", NOON + 300 * DAY),
    ]

    def clock() -> float:
        if not days:
            raise KeyboardInterrupt  # the end of the test
        return NOON + days.pop(0) * DAY

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(watch_validity(lambda: found, events.append, clock, pause=0))
    first, second, third = events
    assert (first.level, second.level, third.level) == (Level.WARNING, Level.ERROR, Level.ERROR)
    assert first.name == "certificate_ends_soon"
    assert "/a" in first.message()
    assert second.name == "certificate_ended"
    assert "ended on" in second.message()


def test_a_real_authority(tmp_path: Path) -> None:
    issued = Authority(tmp_path, "authority").issue("gate", "127.0.0.1", ended=True)
    (end,) = certificates._ends(issued.certificate.read_bytes())
    read = x509.load_pem_x509_certificate(issued.certificate.read_bytes())
    assert end == read.not_valid_after_utc.timestamp()
