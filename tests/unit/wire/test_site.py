"""Which requests are for the gate's own site, and which were sent by a page of it."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.wire.origin import origin_of
from headgate.wire.request import read_request
from headgate.wire.request_fields import RequestFields
from headgate.wire.site import Site, is_loopback, read_authority, why_foreign

PROXY = "10.0.0.1"
TRUSTED = [ipaddress.ip_network("10.0.0.0/8")]
ALIKE = [
    ("https", "mlflow.example", "mlflow.example"),
    ("https", "mlflow.example", "mlflow.example:443"),
    ("https", "mlflow.example:443", "mlflow.example"),
    ("https", "mlflow.example", "mlflow.example:80"),  # TLS ended in front of nginx on port 80
    ("http", "mlflow.example", "mlflow.example:80"),
    ("http", "mlflow.example:80", "mlflow.example"),
    ("https", "mlflow.example:8443", "mlflow.example:8443"),
    ("https", "MLflow.Example", "mlflow.EXAMPLE"),
    ("https", "mlflow.example.", "mlflow.example"),
    ("https", "mlflow.example", "mlflow.example."),
    ("http", "[::1]:8080", "[0:0:0:0:0:0:0:1]:8080"),
    ("https", "[2001:DB8::1]", "[2001:db8::1]:443"),
]
DIFFERENT = [
    ("https", "evil.example", "mlflow.example"),
    ("https", "mlflow.example.evil.example", "mlflow.example"),
    ("https", "mlflow.example:8443", "mlflow.example"),
    ("https", "mlflow.example", "mlflow.example:8443"),
    ("https", "mlflow.example:80", "mlflow.example"),
    ("http", "mlflow.example:443", "mlflow.example"),
    ("http", "mlflow.example", "mlflow.example:443"),  # it is called over https, by its port
    ("https", "mlflow.example:", "mlflow.example"),
    ("https", "user@mlflow.example", "mlflow.example"),
    ("https", "mlflow.example/", "mlflow.example"),
    ("https", "mlflow.example\\.evil.example", "mlflow.example"),
    ("https", "mlflow.example,mlflow.example", "mlflow.example"),
    ("https", "mlflow.example..", "mlflow.example"),
    ("file", "", "mlflow.example"),
    ("ws", "mlflow.example", "mlflow.example"),
    ("chrome-extension", "mlflow.example", "mlflow.example"),
]


def fields(
    *lines: str, host: str = "mlflow.example", scheme: str = "http", peer: str = "192.0.2.1"
) -> RequestFields:
    head = "\r\n".join(("POST / HTTP/1.1", f"Host: {host}", *lines, "", ""))
    read = read_request(head.encode("latin-1"), 100).fields
    read.origin = origin_of(read.values, peer, scheme, TRUSTED)
    return read


@pytest.mark.parametrize(("scheme", "page", "host"), ALIKE)
def test_a_page_of_the_same_name_is_own(scheme: str, page: str, host: str) -> None:
    assert Site().is_own_page(fields(f"Origin: {scheme}://{page}", host=host))


@pytest.mark.parametrize(("scheme", "page", "host"), DIFFERENT)
def test_a_page_of_another_name_port_or_form_is_foreign(scheme: str, page: str, host: str) -> None:
    asked = fields(f"Origin: {scheme}://{page}", host=host)
    assert not Site("127.0.0.1", ["other.example"]).is_own_page(asked)
    assert "Origin is" in why_foreign(asked, "192.0.2.1")


@pytest.mark.parametrize("origin", ["null", "", "mlflow.example", "https://", "//mlflow.example"])
def test_no_page_of_the_web_is_foreign(origin: str) -> None:
    assert not Site().is_own_page(fields(f"Origin: {origin}"))
    assert "not a web page" in why_foreign(fields(f"Origin: {origin}"), "192.0.2.1")


# --- https ---------------------------------------------------------------------------------------


def test_a_page_that_anybody_on_the_way_can_write_may_not_write_over_https() -> None:
    page = "Origin: http://mlflow.example"
    assert not Site().is_own_page(fields(page, scheme="https"))
    assert not Site("", ["mlflow.example"]).is_own_page(fields(page, scheme="https"))
    behind = fields(page, "X-Forwarded-Proto: https", peer=PROXY)
    assert not Site().is_own_page(behind)
    assert "over https" in why_foreign(behind, PROXY)
    assert Site().is_own_page(fields(page, "X-Forwarded-Proto: http", scheme="https", peer=PROXY))


# --- what browsers say of themselves -------------------------------------------------------------


@pytest.mark.parametrize("origin", ["null", "https://mlflow.example:8443", "https://other.example"])
def test_same_origin_counts_where_the_name_is_known(origin: str) -> None:
    said = ("Sec-Fetch-Site: same-origin", f"Origin: {origin}")
    assert not Site().is_own_page(fields(*said))
    assert Site("", ["mlflow.example"]).is_own_page(fields(*said))
    for host in ("localhost:8080", "127.0.0.1:8080", "127.9.9.9", "[::1]:1", "LOCALHOST."):
        assert Site().is_own_page(fields(*said, host=host))
    assert Site("10.1.1.1").is_own_page(fields(*said, host="10.1.1.1:8080"))
    assert not Site("10.1.1.1").is_own_page(fields(*said, host="10.1.1.2:8080"))


def test_a_name_that_was_made_to_lead_here_is_not_known() -> None:
    """DNS rebinding: the page is of the same origin as what it asks, and both are foreign."""
    rebound = fields("Sec-Fetch-Site: same-origin", "Origin: null", host="evil.example")
    assert not Site("127.0.0.1", ["mlflow.example"]).is_own_page(rebound)


@pytest.mark.parametrize("said", ["cross-site", "same-site"])
def test_another_page_is_foreign_whatever_name_a_proxy_writes(said: str) -> None:
    """Nginx sends the address of the gate as ``Host``, which a page of that address bears too."""
    other = fields(f"Sec-Fetch-Site: {said}", "Origin: http://127.0.0.1:80", host="127.0.0.1")
    assert not Site("127.0.0.1", ["127.0.0.1"]).is_own_page(other)


@pytest.mark.parametrize("said", ["", "none", "same-origin, cross-site", "SAME-ORIGIN", "?1"])
def test_anything_else_leaves_it_to_the_origin(said: str) -> None:
    line = f"Sec-Fetch-Site: {said}"
    assert Site().is_own_page(fields(line, "Origin: https://mlflow.example"))
    assert not Site("", ["mlflow.example"]).is_own_page(fields(line, "Origin: null"))


def test_it_is_not_passed_on() -> None:
    assert b"sec-fetch" not in fields("Sec-Fetch-Site: same-origin").lines.lower()


# --- proxies -------------------------------------------------------------------------------------


def test_the_first_and_the_nearest_name_of_a_trusted_chain_count() -> None:
    chain = "X-Forwarded-Host: mlflow.example, inner.example, near.example"
    for name, own in {"mlflow": True, "near": True, "inner": False, "evil": False}.items():
        asked = fields(f"Origin: https://{name}.example", chain, host="gate:8080", peer=PROXY)
        assert Site().is_own_page(asked) is own
        assert asked.origin.host == b"near.example"  # which Location is written with
        stranger = fields(f"Origin: https://{name}.example", chain, host="gate:8080")
        assert not Site().is_own_page(stranger)


def test_the_address_that_a_trusted_proxy_calls_is_no_name_of_the_site() -> None:
    asked = fields(
        "Origin: http://gate:8080", "X-Forwarded-Host: mlflow.example", host="gate:8080", peer=PROXY
    )
    assert not Site().is_own_page(asked)


def test_a_public_name_is_own_with_its_port() -> None:
    site = Site("", ["mlflow.example", "Tools.Example:8443"])
    own = ("https://mlflow.example", "http://mlflow.example", "https://tools.example:8443")
    foreign = ("https://mlflow.example:8443", "https://tools.example", "https://a.mlflow.example")
    for origin in (*own, *foreign):
        asked = fields(f"Origin: {origin}", host="gate:8080")
        assert site.is_own_page(asked) is (origin in own), origin


def test_the_message_has_both_values_and_the_line_to_set() -> None:
    page = "Origin: https://mlflow.example:8443"
    told = why_foreign(fields(page, host="gate:8080"), "192.0.2.1")
    assert "'https://mlflow.example:8443'" in told
    assert "'gate:8080'" in told
    assert 'public_names = ["mlflow.example:8443"]' in told
    claimed = "X-Forwarded-Host: mlflow.example:8443"
    told = why_foreign(fields(page, claimed, host="gate:8080"), "192.0.2.1")
    assert 'trusted_proxies = ["192.0.2.1"]' in told


def test_the_line_to_set_helps() -> None:
    for page in ("https://mlflow.example:8443", "https://mlflow.example", "http://[2001:db8::1]:1"):
        asked = fields(f"Origin: {page}", host="gate:8080")
        told = why_foreign(asked, "192.0.2.1")
        name = told.partition('public_names = ["')[2].partition('"')[0]
        assert Site("", [name]).is_own_page(asked)


# --- Host ----------------------------------------------------------------------------------------

LOOPBACK = ["localhost", "localhost:8080", "127.0.0.1", "127.8.9.1:1", "[::1]", "[::1]:65535"]
OTHERS = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "1.2.3.4"]


@pytest.mark.parametrize("host", [*LOOPBACK, "LocalHost", "localhost.", "[0:0::1]:8080"])
def test_loopback_names_are_called(host: str) -> None:
    assert Site().is_called(fields(host=host))


@pytest.mark.parametrize("host", [*OTHERS, "127.1", "2130706433", "[::]", "[::2]", "1.127.0.0.1"])
def test_other_names_are_not(host: str) -> None:
    assert not Site("127.0.0.1").is_called(fields(host=host))


def test_a_trusted_proxy_must_name_the_site_too() -> None:
    said = "X-Forwarded-Host: evil.example"
    assert not Site().is_called(fields(said, host="localhost", peer=PROXY))
    assert Site().is_called(fields(said, host="localhost"))
    assert Site("", ["evil.example"]).is_called(fields(said, host="localhost", peer=PROXY))


def test_a_public_name_and_the_listeners_own_address_are_called() -> None:
    site = Site("::1", ["mlflow.example:8443"])
    assert site.is_called(fields(host="mlflow.example:8443"))
    assert site.is_called(fields(host="MLFLOW.example"))
    assert not site.is_called(fields(host="a.mlflow.example"))


def test_no_browser_leaves_host_out() -> None:
    read = read_request(b"GET / HTTP/1.0\r\n\r\n", 100).fields
    read.origin = origin_of(read.values, "127.0.0.1", "http", ())
    assert Site().is_called(read)


@given(st.from_regex(rb"[A-Za-z0-9.\-_~\[\]:@%]{0,40}", fullmatch=True))
def test_an_authority_has_one_spelling(text: bytes) -> None:
    read = read_authority(text)
    if read is not None:
        assert read_authority(str(read).encode()) == read or read.host == ""


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.1.2.3", True),
        ("[::1]", True),
        ("[::ffff:127.0.0.1]", True),
        ("[::ffff:10.0.0.1]", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
    ],
)
def test_which_hosts_are_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_brackets_hold_an_address() -> None:
    assert read_authority(b"[::1]:80") is not None
    assert read_authority(b"[1::2::3]") is None
