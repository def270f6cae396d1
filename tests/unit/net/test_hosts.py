"""What a host spells."""

from __future__ import annotations

import pytest

from headgate.net.hosts import address_of


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.1", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::1::", None),
        ("256.1.1.1", None),
        ("08", None),
        ("mlflow.example", None),
    ],
)
def test_addresses(host: str, address: str | None) -> None:
    found = address_of(host)
    assert (None if found is None else str(found)) == address
