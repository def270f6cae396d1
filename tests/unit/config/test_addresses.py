"""Which addresses are never MLflow's, and how a name server is written."""

from __future__ import annotations

import pytest

from headgate.config import load
from headgate.config.addresses import name_server
from headgate.errors import ConfigError
from headgate.net.addresses import is_forbidden

METADATA = [
    "169.254.169.254",
    "169.254.170.2",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1:a9fe::169.254.169.254",
    "::ffff:0:169.254.169.254",
    "2001:0:a00:1::5601:5601",
    "::ffff:100.100.100.200",
]


@pytest.mark.parametrize(
    "address",
    [*METADATA, "224.0.0.1", "ff02::1", "0.0.0.0", "::", "::ffff:0.0.0.0", "mlflow", ""],  # noqa: S104
)
def test_what_is_never_mlflow(address: str) -> None:
    assert is_forbidden(address)


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "127.0.0.1", "::1", "fd00::1", "203.0.113.7", "::ffff:10.0.0.1"]
)
def test_what_may_be(address: str) -> None:
    assert not is_forbidden(address)


@pytest.mark.parametrize("url", ["http://0.0.0.0:5000", "http://[::]:5000"])
def test_what_mlflow_says_it_listens_at_may_be_configured(url: str) -> None:
    assert load(None, {"MLFLOW_SERVER_URL": url}).upstreams["default"].url == url


@pytest.mark.parametrize("address", [each for each in METADATA if "%" not in each])
def test_nor_may_the_configuration_name_such_an_address(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    for url in (f"http://{host}:80", f"http://10.0.0.1,http://{host}"):
        with pytest.raises(ConfigError) as caught:
            load(None, {"MLFLOW_SERVER_URL": url})
        (problem,) = caught.value.problems
        assert problem.path == "upstreams.default"
        assert "set allow_link_local if you mean it" in problem.message
        allowed = {"HEADGATE_UPSTREAMS__DEFAULT__ALLOW_LINK_LOCAL": "true"}
        load(None, {"MLFLOW_SERVER_URL": url} | allowed)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10.0.0.2", ("10.0.0.2", 53)),
        ("10.0.0.2:5353", ("10.0.0.2", 5353)),
        ("fd00::2", ("fd00::2", 53)),
        ("[fd00::2]", ("fd00::2", 53)),
        ("[fd00::2]:5353", ("fd00::2", 5353)),
    ],
)
def test_a_name_server(text: str, found: tuple[str, int]) -> None:
    assert name_server(text) == found


@pytest.mark.parametrize(
    "text",
    ["", "dns.internal", "10.0.0.2:dns", "10.0.0.2:99999", "10.0.0", "a@10.0.0.2", "10.0.0.2/x"],
)
def test_a_name_server_is_an_address(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {"HEADGATE_UPSTREAMS__DEFAULT__RESOLVER": text})
    (problem,) = caught.value.problems
    assert "must be an address such as" in problem.message
