"""Rates per address."""

from __future__ import annotations

import pytest

from headgate.limits import AddressRate
from headgate.limits.addresses import neighbourhood


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff:0:0:2", "2001:db8:0:1::1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"),
        ("::ffff:c000:201", "192.0.2.1", "::1"),
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("unknown", "unknown", "fe80::1%eth0"),
        ("not:an:address", "not:an:address", "not:another"),
    ],
)
def test_an_address_is_what_one_subscriber_can_have(address: str, same: str, other: str) -> None:
    assert neighbourhood(address) == neighbourhood(same) != neighbourhood(other)


def test_a_burst_is_counted_immediately_and_the_rest_at_the_rate() -> None:
    rate = AddressRate(2, 3, 10)
    assert [rate.take("192.0.2.1", 100.0) for _ in range(5)] == [0, 0, 0, 0.5, 0.5]
    assert rate.wait("192.0.2.1", 100.25) == 0.25
    assert rate.take("192.0.2.1", 100.5) == 0
    assert rate.take("192.0.2.1", 100.5) == 0.5
    assert rate.take("192.0.2.2", 100.5) == 0


def test_to_look_counts_nothing() -> None:
    rate = AddressRate(1, 1, 10)
    assert [rate.wait("192.0.2.1", 0.0) for _ in range(3)] == [0, 0, 0]
    assert len(rate) == 0


def test_an_ipv6_subscriber_has_one_bucket() -> None:
    rate = AddressRate(1, 1, 10)
    assert rate.take("2001:db8::1", 0.0) == 0
    assert rate.take("2001:db8::2", 0.0) == 1
    assert rate.take("2001:db8:0:1::2", 0.0) == 0


def test_of_too_many_addresses_those_counted_longest_ago_are_forgotten() -> None:
    rate = AddressRate(1, 2, 2)
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3"):
        assert rate.take(address, 0.0) == 0
    assert len(rate) == 2
    assert rate.wait("192.0.2.1", 0.0) == 1
    assert rate.take("192.0.2.2", 0.0) == 0
    assert rate.take("192.0.2.2", 0.0) == 0


def test_addresses_that_have_gone_quiet_are_forgotten() -> None:
    rate = AddressRate(1, 1, 100)
    for last in range(50):
        rate.take(f"192.0.2.{last}", 0.0)
    for last in range(50):
        rate.take(f"198.51.100.{last}", 10.0)
    assert len(rate) == 50


def test_another_rate_holds_for_those_that_wait_already() -> None:
    rate = AddressRate(0.01, 1, 10)
    rate.take("192.0.2.1", 0.0)
    assert rate.wait("192.0.2.1", 0.0) == 100
    rate.configure(2, 1, 0.0)
    assert rate.wait("192.0.2.1", 0.0) == 0.5
