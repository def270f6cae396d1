"""Valid values of each setting, and settings that contradict each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from headgate.config import Config, Listen, ListenTls, Upstream, UpstreamTls, load
from headgate.errors import ConfigError


def problems(overrides: dict[str, Any]) -> dict[str, str]:
    """The problems of these settings, each message by its path."""
    with pytest.raises(ConfigError) as caught:
        load(None, {}, overrides)
    return {problem.path: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://mlflow:5000", "http://mlflow:5000"),
        ("http://mlflow:5000/", "http://mlflow:5000"),
        ("http://10.0.0.7", "http://10.0.0.7"),
        ("http://[::1]:5000", "http://[::1]:5000"),
        ("https://mlflow.internal", "https://mlflow.internal"),
        ("HTTPS://mlflow.internal/", "https://mlflow.internal"),
        ("http://my_mlflow-1.svc.:80", "http://my_mlflow-1.svc.:80"),
        ("http://xn--hst-sna", "http://xn--hst-sna"),
    ],
)
def test_where_mlflow_is(url: str, kept: str) -> None:
    upstream = Upstream(url=url)
    assert upstream.url == kept
    assert upstream.is_https == kept.startswith("https")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "the scheme is missing"),
        ("mlflow", "the scheme is missing"),
        ("mlflow:5000", "the scheme is 'mlflow'"),
        ("ftp://mlflow", "the scheme is 'ftp'"),
        ("http://", "the host is missing"),
        ("http:mlflow", "the host is missing"),
        ("http://:5000", "the host is missing"),
        ("http://user@mlflow", "credentials"),
        ("http://user:canary@mlflow", "credentials"),
        ("http://:canary@mlflow", "credentials"),
        ("http://@mlflow", "credentials"),
        ("http://mlflow/prefix", "the URL must not have a path"),
        ("http://mlflow//", "the URL must not have a path"),
        ("http://mlflow?", "the URL must not have a path"),
        ("http://mlflow?a=b", "the URL must not have a path"),
        ("http://mlflow#", "the URL must not have a path"),
        ("http://mlflow:0", "port 0"),
        ("http://mlflow:65536", "Port out of range"),
        ("http://mlflow:http", "malformed"),
        ("http://mlflow:", "malformed"),
        ("http://ml flow", "malformed"),
        (" http://mlflow", "malformed"),
        ("http://mlflow\n", "malformed"),
        ("http://ml\tflow", "malformed"),
        ("http://ml\rflow", "malformed"),
        ("http://mlflöw", "malformed"),
        ('http://ml"flow', "malformed"),
        ("http://ml;flow", "malformed"),
        ("http://ml%20flow", "malformed"),
        ("http://.mlflow", "malformed"),
        ("http://ml..flow", "malformed"),
        (f"http://{'a' * 64}", "malformed"),
        (f"http://{'a.' * 127}", "malformed"),
        ("http://[::1", "Invalid IPv6 URL"),
        ("http://[v1.x]", "malformed"),
        ("http://[fe80::1%25eth0]", "malformed"),
        ("cloudmap://ml/mlflow?port=0", "between 1 and 65535"),
        ("cloudmap://ml/mlflow?port=65536", "between 1 and 65535"),
        ("cloudmap://ml/mlflow?port=http", "use cloudmap://"),
    ],
)
def test_where_mlflow_cannot_be(url: str, message: str) -> None:
    """None of these could later end in a crash, in a header of two lines or in another place."""
    found = problems({"upstreams.default.url": url})
    assert list(found) == ["upstreams.default.url"]
    assert message in found["upstreams.default.url"]
    assert "canary" not in str(found)


@pytest.mark.parametrize("value", ["auto", "name", "address", "mlflow", "mlflow:80", "[::1]:5000"])
def test_a_host_header(value: str) -> None:
    assert Upstream(host_header=value).host_header == value


@pytest.mark.parametrize(
    "value", ["", "a b", "a\r\nX: y", "a\n", "mlflöw", "http://a", "a:b", "a/"]
)
def test_no_host_header(value: str) -> None:
    assert list(problems({"upstreams.default.host_header": value})) == [
        "upstreams.default.host_header"
    ]


@pytest.mark.parametrize("value", ["mlflow", "*.mlflow", "127.0.0.1", "::1", ""])
def test_the_name_in_the_certificate(value: str) -> None:
    if value in ("*.mlflow", ""):
        with pytest.raises(ValidationError, match="not a host name"):
            UpstreamTls(server_name=value)
    else:
        assert UpstreamTls(server_name=value).server_name == value


@pytest.mark.parametrize(
    ("prefix", "kept"),
    [("/", ""), ("/mlflow", "/mlflow"), ("/mlflow/", "/mlflow"), ("/a-1/b_2/c.d", "/a-1/b_2/c.d")],
)
def test_a_public_prefix(prefix: str, kept: str) -> None:
    assert Upstream(prefixes=(prefix,)).prefixes == (kept,)


@pytest.mark.parametrize(
    "prefix",
    [
        *("", "mlflow", "//", "//a", "/a//", "/a//b", "/.", "/..", "/a/../b", "/%61", "/a b", "/ü"),
        *("/a?b", "/a#b", "/a;b", "/a\\b", "/a\n", "/-", "/-/"),
    ],
)
def test_no_public_prefix(prefix: str) -> None:
    """Each is a path that the canonical form never has, or one that is the gate's own."""
    assert list(problems({"upstreams.default.prefixes": [prefix]})) == [
        "upstreams.default.prefixes"
    ]


def test_an_upstream_without_prefix_cannot_be_reached() -> None:
    assert list(problems({"upstreams.default.prefixes": []})) == ["upstreams.default.prefixes"]


@pytest.mark.parametrize(
    "path",
    [
        *("listen.lame_duck", "listen.drain_timeout", "auth.refresh_interval"),
        *("upstreams.default.connect_timeout", "upstreams.default.silence_timeout"),
        *("limits.header_timeout", "limits.keepalive_timeout", "limits.body_timeout"),
    ],
)
@pytest.mark.parametrize("value", [-1, "inf", "nan", "-inf", "soon", "5s", None])
def test_times_are_finite_and_not_negative(path: str, value: object) -> None:
    if value is None:
        return  # an option that is not given
    assert list(problems({path: value})) == [path]


@pytest.mark.parametrize("path", ["body_bytes", "trace_body_bytes", "buffered_body_bytes"])
@pytest.mark.parametrize("value", [0, -1, "much"])
def test_a_limit_of_nothing_is_none(path: str, value: object) -> None:
    """Only for artifacts does 0 mean any."""
    assert list(problems({f"limits.{path}": value})) == [f"limits.{path}"]
    assert load(None, {}, {"limits.artifact_body_bytes": 0}).limits.artifact_body_bytes == 0


NETWORKS = ["listen.trusted_proxies", "listen.proxy_protocol", "ops.proxy_protocol"]


@pytest.mark.parametrize("path", NETWORKS)
def test_every_network_that_is_none_is_named(path: str) -> None:
    found = problems({path: ["10.0.0.0/8", "10.0.0.1/8", "proxy", "::/200", 10, True, ""]})
    (message,) = found.values()
    for wrong in ("10.0.0.1/8", "proxy", "::/200", "10 is no network", "True is no network", "''"):
        assert wrong in message
    assert "10.0.0.0/8" not in message


@pytest.mark.parametrize("path", NETWORKS)
@pytest.mark.parametrize("value", [5, True, {"network": "10.0.0.0/8"}])
def test_networks_are_a_list(path: str, value: object) -> None:
    assert list(problems({path: value})) == [path]


def test_a_proxy_may_be_trusted_in_both_ways_and_none_means_off() -> None:
    both = {f"listen.{each}": ["10.0.0.0/8"] for each in ("trusted_proxies", "proxy_protocol")}
    listen = load(None, {}, both).listen
    assert listen.trusted_proxies == listen.proxy_protocol
    assert load(None, {"HEADGATE_LISTEN__PROXY_PROTOCOL": ""}).listen.proxy_protocol == ()
    assert load(None, {}, {"listen.proxy_protocol": []}).listen.proxy_protocol == ()


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - what is tested is that it is refused
        ("::", False),
        ("10.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_nobody_but_this_machine_may_pass_without_a_key(host: str, *, is_loopback: bool) -> None:
    assert Listen(host=host).is_loopback is is_loopback
    settings = {"listen.host": host, "auth.mode": "none"}
    if is_loopback:
        assert load(None, {}, settings).listen.host == host
    else:
        assert list(problems(settings)) == ["auth.mode"]
    assert load(None, {}, {"listen.host": host}).listen.host == host


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    """A file that can be read; the code that uses it checks its contents."""
    file = tmp_path / "any.pem"
    file.touch()
    return file


def test_files_of_certificates_that_cannot_be_read_are_named(pem: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    found = problems(
        {
            "listen.tls.certificate": missing,
            "listen.tls.key": pem,
            "listen.tls.client_ca": tmp_path,
            "upstreams.default.url": "https://mlflow",
            "upstreams.default.tls.ca": missing,
            "upstreams.default.tls.certificate": pem,
            "upstreams.default.tls.key": missing,
        }
    )
    assert found == {
        "listen.tls.certificate": f"{missing} cannot be read: No such file or directory",
        "listen.tls.client_ca": f"{tmp_path} cannot be read: Is a directory",
        "upstreams.default.tls.ca": f"{missing} cannot be read: No such file or directory",
        "upstreams.default.tls.key": f"{missing} cannot be read: No such file or directory",
    }


def test_files_of_certificates_that_can_be_read(pem: Path) -> None:
    config = load(
        None,
        {},
        {
            "listen.tls.certificate": pem,
            "listen.tls.key": pem,
            "upstreams.default.url": "https://mlflow",
            "upstreams.default.tls.ca": pem,
        },
    )
    assert config.listen.tls == ListenTls(certificate=pem, key=pem)


def test_a_certificate_needs_its_key(pem: Path) -> None:
    for given, missing in (("certificate", "key"), ("key", "certificate")):
        assert list(problems({f"listen.tls.{given}": pem})) == [f"listen.tls.{missing}"]
        found = problems(
            {"upstreams.default.url": "https://mlflow", f"upstreams.default.tls.{given}": pem}
        )
        assert found == {"upstreams.default.tls": "certificate and key must be set together"}


def test_tls_settings_for_a_plain_url_would_be_passed_over_in_silence(pem: Path) -> None:
    found = problems(
        {"upstreams.default.url": "http://mlflow:5000", "upstreams.default.tls.ca": pem}
    )
    assert found == {
        "upstreams.default.tls": (
            "has no effect for the plain HTTP http://mlflow:5000; use an https:// URL"
        )
    }


def test_a_prefix_leads_to_one_upstream() -> None:
    names = {"upstreams.default.url": "http://a", "upstreams.other.url": "http://b"}
    with pytest.raises(ConfigError) as caught:
        load(None, {}, names)
    assert [str(problem) for problem in caught.value.problems] == [
        f"upstreams.other.prefixes: '{prefix}' already belongs to upstreams.default"
        for prefix in ("/", "/mlflow", "/api/mlflow")
    ]
    config = load(None, {}, {**names, "upstreams.other.prefixes": ["/other"]})
    assert config.conflicts() == []


def test_all_conflicts_are_reported(tmp_path: Path) -> None:
    found = problems(
        {
            "auth.mode": "none",
            "listen.host": "0.0.0.0",  # noqa: S104 - what is tested is that it is refused
            "listen.tls.certificate": tmp_path / "missing",
            "listen.tls.key": tmp_path / "missing",
            "upstreams.default.tls.server_name": "mlflow",
        }
    )
    assert list(found) == [
        "auth.mode",
        "listen.tls.certificate",
        "listen.tls.key",
        "upstreams.default.tls",
    ]


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Config().listen.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "name", ["mlflow.example.com", "MLflow.Example:8443", "10.0.0.1", "[2001:db8::1]:8443", "a_b"]
)
def test_a_public_name_has_a_port_or_none(name: str) -> None:
    assert Config.model_validate({"listen": {"public_names": [name]}}).listen.public_names == (
        name,
    )


@pytest.mark.parametrize(
    "name",
    ["https://mlflow.example", "mlflow.example/", "", "*", "a b", "[::zz]", "a:99999", "a:", 7],
)
def test_anything_else_is_no_public_name(name: object) -> None:
    with pytest.raises(ValidationError, match="is not a host name with an optional port"):
        Config.model_validate({"listen": {"public_names": [name]}})
