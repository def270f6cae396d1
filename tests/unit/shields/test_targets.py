"""Which addresses lead into the server's own network, in whatever spelling."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.net.hosts import address_of
from headgate.shields.targets import host_of, is_address_text, is_private

PRIVATE = st.sampled_from(
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "192.168.0.1",
        "172.16.0.9",
        "0.0.0.0",  # noqa: S104 - a target here
        "100.64.0.1",
    ]
).map(ipaddress.IPv4Address)


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1",
        "http://127.1/x",
        "http://2130706433",
        "http://0x7f.1",
        "http://0x7f000001",
        "http://017700000001",
        "http://0177.0.0.01:80",
        "http://[::1]",
        "http://[::]:5000",
        "http://[::ffff:127.0.0.1]",
        "http://[::ffff:a9fe:a9fe]",
        "http://[64:ff9b::a9fe:a9fe]",
        "http://[2002:7f00:1::]",
        "http://[::127.0.0.1]",
        "http://[fe80::1%25eth0]",
        "http://[fd00::1]",
        "http://[fec0::1]",
        "http://169.254.169.254/latest/meta-data",
        "http://224.0.0.1",
        "http://localhost",
        "http://LOCALHOST.:80",
        "http://x.localhost",
        "http://metadata.google.internal",
        "http://metadata.goog",
        "http://mlflow",
        "http://printer.local",
        "http://mlflow.ml.svc",
        "http://mlflow.ml.svc.cluster.local",
        "http://127.0.0.1.nip.io",
        "http://a.localtest.me",
        "http://\uff11\uff12\uff17.0.0.1",
        "http://127。0。0。1",
        "http://ⓛocalhost",
        "http://%6cocalhost",
        "http://evil.example\\@127.0.0.1",
        "http://user@hooks.example",
        "http://127.0.0.1#@hooks.example",
        "http://hooks.example:99999",
        "http:///x",
        "http://",
        "http://[hooks.example]",
        "http://0.0.0.0.0",
        "http://999.1.1.1",
        "http://hooks .example",
        "http://hooks.example\n",
        "gopher://10.0.0.1",
        "//10.0.0.1",
        "10.0.0.1:80",
        "localhost:11434",
    ],
)
def test_private(target: str) -> None:
    assert is_private(target)


@pytest.mark.parametrize(
    "target",
    [
        "https://hooks.example.com/services/x?y=z#f",
        "https://hooks.example.com:8443",
        "https://my-resource.openai.azure.com/",
        "api.example.com/v1",
        "https://8.8.8.8/",
        "https://0x08.8.8.8/",
        "https://[2606:4700:4700::1111]/",
        "https://localhost.example.com",
        "https://internal.example.com",
        "https://xn--bcher-kva.example",
    ],
)
def test_public(target: str) -> None:
    assert not is_private(target)


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("http://10.1.2.3", "10.1.0.0/16"),
        ("http://10.1.2.3", "10.1.2.3/32"),
        ("http://localhost:11434", "localhost"),
        ("http://ollama.ml.svc", "ollama.ml.svc"),
        ("http://[fd00::5]", "fd00::/8"),
    ],
)
def test_an_operator_may_allow_some(target: str, allowed: str) -> None:
    assert is_private(target)
    assert not is_private(target, ["unrelated", "192.168.0.0/16", allowed])


@given(PRIVATE, st.data())
def test_every_spelling_of_an_address_is_that_address(
    address: ipaddress.IPv4Address, data: st.DataObject
) -> None:
    """One to four numbers, each decimal, octal or hexadecimal (inet_aton)."""
    count = data.draw(st.integers(1, 4))
    octets = list(address.packed)
    numbers = [*octets[: count - 1], int.from_bytes(bytes(octets[count - 1 :]))]
    forms = st.sampled_from(["{:d}", "{:#x}", "0{:o}", "0X{:X}"])
    host = ".".join(data.draw(forms).format(number) for number in numbers)
    assert address_of(host) == address
    assert is_private(f"http://{host}/")


@given(st.text())
def test_any_text_can_be_judged(text: str) -> None:
    """No text makes it fail, and a text without a recognisable host is private."""
    if not host_of(text):
        assert is_private(text)
    else:
        assert is_private(text) in {True, False}


@pytest.mark.parametrize(
    ("name", "value", "is_one"),
    [
        ("url", "hooks.example", True),
        ("api_base", "localhost:11434", True),
        ("openai_api_base", "x", True),
        ("anything", "http://localhost", True),
        ("anything", "HTTP:/localhost", True),
        ("anything", " \\\\server", False),
        ("anything", "gopher://x", True),
        ("model", "gateway:/my-endpoint", False),
        ("prompt_uri", "prompts:/a/1", False),
        ("description", "call http://localhost when done", False),
        ("url", "", False),
    ],
)
def test_which_texts_are_addresses(name: str, value: str, is_one: bool) -> None:
    assert is_address_text(name, value) is is_one
