"""Each exception of dnspython's has its kind."""

from __future__ import annotations

import dns.exception
import dns.resolver
import pytest

from headgate.discovery.dns_resolver import error_of
from headgate.symptoms import DiscoveryFailure


@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        (dns.resolver.NXDOMAIN, DiscoveryFailure.NAME_UNKNOWN),
        (dns.resolver.NoAnswer, DiscoveryFailure.NO_RECORD),
        (dns.resolver.NoNameservers, DiscoveryFailure.RESOLVER_FAILED),
        (dns.resolver.NoResolverConfiguration, DiscoveryFailure.RESOLVER_MISSING),
        (dns.exception.Timeout, DiscoveryFailure.RESOLVER_SILENT),
        (dns.resolver.LifetimeTimeout, DiscoveryFailure.RESOLVER_SILENT),
        (dns.resolver.YXDOMAIN, DiscoveryFailure.OTHER),
    ],
)
def test_each_exception_has_its_kind(
    kind: type[dns.exception.DNSException], failure: DiscoveryFailure
) -> None:
    error = kind.__new__(kind)  # some cannot be made without a message
    error.kwargs, error.msg = {}, "the library's own words"
    found = error_of(error)
    assert found.failure is failure
    assert found.detail
