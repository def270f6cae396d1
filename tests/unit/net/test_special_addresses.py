"""One table of special addresses: every spelling of one is refused wherever a public one must be.

The oracles are what MLflow connects with: requests and urllib3 read the URL, ``inet_aton`` and
``ipaddress`` the host.
"""

from __future__ import annotations

import ipaddress
import socket

import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url

from headgate.config import load
from headgate.errors import ConfigError
from headgate.net.addresses import Purpose, is_public, may_be_endpoint, purposes
from headgate.net.hosts import address_of, is_metadata_name, is_public_host
from headgate.shields.targets import is_private
from headgate.wire.location import public_location

SPECIAL_V4 = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15"),
    *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    *("168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32", "255.255.255.255/32"),
]
SPECIAL_V6 = [
    *("::/128", "::1/128", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32"),
    *("3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    *("fd00:ec2::254/128", "fd20:ce::254/128"),
]
INTERNAL_NAMES = [
    *("localhost", "a.localhost", "printer.local", "vault.corp", "nas.lan", "db.private"),
    *("x.intranet", "x.internal", "x.home", "x.home.arpa", "mlflow", "mlflow.ml.svc"),
    *("metadata.google.internal", "metadata.goog", "localtest.me", "127.0.0.1.nip.io"),
    *("ipv4only.arpa", "instance-data", "x.localdomain"),
]


@st.composite
def special_v4(draw: st.DrawFn) -> ipaddress.IPv4Address:
    network = ipaddress.IPv4Network(draw(st.sampled_from(SPECIAL_V4)))
    return network[draw(st.integers(0, network.num_addresses - 1))]


@st.composite
def special_v6(draw: st.DrawFn) -> ipaddress.IPv6Address:
    network = ipaddress.IPv6Network(draw(st.sampled_from(SPECIAL_V6)))
    return network[draw(st.integers(0, network.num_addresses - 1))]


@st.composite
def spelled_v4(draw: st.DrawFn, address: ipaddress.IPv4Address) -> str:
    """As ``inet_aton`` takes it, and as names are folded to that."""
    count = draw(st.integers(1, 4))
    octets = list(address.packed)
    numbers = [*octets[: count - 1], int.from_bytes(bytes(octets[count - 1 :]))]
    forms = st.sampled_from(["{:d}", "{:#x}", "0{:o}", "0X{:X}", "000{:o}", "0x000{:x}"])
    parts = [draw(forms).format(number) for number in numbers]
    assert socket.inet_aton(".".join(parts)) == address.packed
    host = draw(st.sampled_from([".", "\u3002", "\uff0e", "\uff61"])).join(parts)
    if draw(st.booleans()):
        host = "".join(chr(ord(each) + 0xFEE0) if each.isdigit() else each for each in host)
    escaped = draw(st.sets(st.integers(0, max(len(host) - 1, 0)), max_size=2))
    if host.isascii():
        host = "".join(f"%{ord(c):02x}" if at in escaped else c for at, c in enumerate(host))
    return host + draw(st.sampled_from(["", "."]))


@st.composite
def embedding(draw: st.DrawFn, address: ipaddress.IPv4Address) -> ipaddress.IPv6Address:
    """An IPv6 address that leads to an IPv4 address."""
    number = int(address)
    forms = {
        "mapped": 0xFFFF << 32 | number,
        "compatible": number,
        "translated": 0xFFFF << 48 | number,
        "nat64": 0x64FF9B << 96 | number,
        "nat64 local 96": 0x64FF9B0001 << 80 | draw(st.integers(0, 2**16 - 1)) << 64 | number,
        "nat64 local 48": 0x64FF9B0001 << 80 | number >> 16 << 64 | (number & 0xFFFF) << 40,
        "6to4": 0x2002 << 112 | number << 80 | draw(st.integers(0, 2**80 - 1)),
        "teredo": 0x20010000 << 96 | 0x08080808 << 64 | number ^ 0xFFFFFFFF,
        "isatap": 0x2606_4700 << 96 | 0x5EFE << 32 | number,
    }
    return ipaddress.IPv6Address(forms[draw(st.sampled_from(sorted(forms)))])


def refused_everywhere(host: str) -> bool:
    """By the shield, by the rewriting of ``Location``, and by the table itself."""
    url = f"http://{host}:80/x"
    shown = True
    try:
        raw = url.encode("ascii")
    except UnicodeEncodeError:
        shown = False
    else:
        shown = public_location(raw, frozenset(), "https://gate.example", "") is not None
    return is_private(url) and not shown and not is_public_host(host.strip("[]"))


@given(special_v4(), st.data())
@settings(max_examples=300)
def test_every_spelling_of_a_special_ipv4_address(
    address: ipaddress.IPv4Address, data: st.DataObject
) -> None:
    assert not is_public(address)
    assert refused_everywhere(data.draw(spelled_v4(address)))


@given(special_v4(), st.data())
@settings(max_examples=300)
def test_every_embedding_of_a_special_ipv4_address(
    address: ipaddress.IPv4Address, data: st.DataObject
) -> None:
    embedded = data.draw(embedding(address))
    assert not is_public(embedded)
    for text in (embedded.compressed, embedded.exploded, embedded.compressed.upper()):
        assert refused_everywhere(f"[{text}]")


@given(special_v6())
def test_every_special_ipv6_address(address: ipaddress.IPv6Address) -> None:
    assert not is_public(address)
    assert refused_everywhere(f"[{address}]")


@pytest.mark.parametrize("name", INTERNAL_NAMES)
@pytest.mark.parametrize("form", ["{}", "{}.", "{}..", "A.{}", "{}\u00ad"])
def test_names_of_private_networks(name: str, form: str) -> None:
    if name != "mlflow" or form != "A.{}":  # a name without a dot says nothing of those below it
        assert refused_everywhere(form.format(name))
        assert refused_everywhere(form.format(name.upper()))


@given(st.text(max_size=40) | st.from_regex(r"[0-9a-fxX.:%\[\]@\\/?#;-]{0,30}", fullmatch=True))
@example("127.0.0.1")
@example("good.example@127.0.0.1")
@example("good.example\\@127.0.0.1")
@example("good.example#@127.0.0.1")
@example("127.0.0.1%2f.good.example")
@example("[::ffff:127.0.0.1]")
@settings(max_examples=1500)
def test_what_passes_leads_where_requests_and_urllib3_go(text: str) -> None:
    """Of any text that passes, the host that MLflow would connect to is no special address."""
    url = f"http://{text}"
    if is_private(url):
        return
    prepared = requests.Request("GET", url).prepare().url
    assert prepared is not None
    for each in (url, prepared):
        host = (parse_url(each).host or "").strip("[]")
        try:
            address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(host)
        except ValueError:
            try:
                address = ipaddress.IPv4Address(socket.inet_aton(host))
            except OSError:
                assert "." in host
                continue
        assert address.is_global
        assert is_public(address)


@given(st.ip_addresses())
def test_the_table_is_no_laxer_than_the_library(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """What is public here is global to ``ipaddress`` too; 6to4 and NAT64 it knows less of."""
    if is_public(address):
        assert address.is_global or address in ipaddress.ip_network("2002::/16")
        assert not address.is_multicast


@pytest.mark.parametrize(
    "url",
    [
        "http://168.63.129.16/",
        "http://192.0.0.192/",
        "http://[64:ff9b:1::a9fe:a9fe]/",
        "http://[::ffff:0:169.254.169.254]/",
        "http://vault.corp",
        "http://nas.lan",
        "http://db.private",
        "http://localtest.me",
        "http://0xA8.0x3F.0x8110/",
    ],
)
def test_what_once_passed_a_shield(url: str) -> None:
    assert is_private(url)


@pytest.mark.parametrize(
    "host",
    [
        *("hooks.example.com", "api.openai.com", "my_bucket.s3.amazonaws.com", "8.8.8.8"),
        *("2606:4700:4700::1111", "64:ff9b::808:808", "internal.example.com", "corp.example"),
        *("xn--bcher-kva.example", "localhost.example.com", "HOOKS.EXAMPLE.COM."),
        *("my-resource.openai.azure.com", "notlocaltest.me", "169-254-169-254.example.com"),
    ],
)
def test_public_hosts(host: str) -> None:
    assert is_public_host(host)


def test_an_allowed_network_does_not_cover_what_hands_out_credentials() -> None:
    assert not is_private("http://169.254.1.1", ["169.254.1.1/32"])
    assert is_private("http://169.254.169.254", ["169.254.0.0/16"])
    assert is_private("http://[fd00:ec2::254]", ["fd00::/8"])
    assert is_private("http://100.100.100.200", ["100.64.0.0/10"])
    assert not is_private("http://[::ffff:10.1.2.3]", ["10.0.0.0/8"])
    assert not is_private("http://169.254.169.254", ["169.254.169.254/32"])


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        *(("10.0.0.1", True), ("127.0.0.1", True), ("::1", True), ("fd00::1", True)),
        *(("100.64.0.1", True), ("64:ff9b:1::10.0.0.1", True), ("240.0.0.1", True)),
        *(("169.254.7.7", False), ("169.254.169.254", False), ("fd00:ec2::254", False)),
        *(("100.100.100.200", False), ("168.63.129.16", False), ("255.255.255.255", False)),
        *(("64:ff9b:1::a9fe:a9fe", False), ("fd00::5efe:a9fe:a9fe", False), ("::", False)),
    ],
)
def test_what_an_endpoint_may_be(address: str, allowed: bool) -> None:
    assert may_be_endpoint(ipaddress.ip_address(address)) is allowed


@pytest.mark.parametrize(
    "host",
    ["2852039166", "0xa9fea9fe", "169.254.43518", "metadata.google.internal", "0250.077.129.020"],
)
def test_no_spelling_of_a_metadata_service_is_an_upstream(host: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {"MLFLOW_SERVER_URL": f"http://{host}:80"})
    assert "set allow_link_local if you mean it" in caught.value.problems[0].message


def test_the_purpose_of_an_address() -> None:
    mapped = address_of("::ffff:169.254.169.254")
    assert mapped is not None
    assert purposes(mapped) == {Purpose.METADATA}
    assert is_metadata_name("Metadata.Google.Internal.")
    assert not is_metadata_name("metadata.example.com")
