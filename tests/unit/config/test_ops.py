"""The address of the operators' listener."""

from __future__ import annotations

import pytest

from headgate.config import Config, Ops, load
from headgate.config.restart import merged, waiting
from headgate.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", None),
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),  # noqa: S104
        ("localhost:9464", ("localhost", 9464)),
        ("Gate-1.example.com:65535", ("Gate-1.example.com", 65535)),
        ("[::1]:9464", ("::1", 9464)),
        ("[::]:9464", ("::", 9464)),
    ],
)
def test_host_and_port(text: str, address: tuple[str, int] | None) -> None:
    ops = load(None, {"HEADGATE_OPS__LISTEN": text}).ops
    assert ops.address == address
    assert ops.is_chosen


@pytest.mark.parametrize(
    "text",
    [
        "9464",
        ":9464",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:-1",
        "127.0.0.1:\u0663",
        "::1:9464",
        "[::1]",
        "[localhost]:9464",
        "http://127.0.0.1:9464",
        "127.0.0.1:9464/",
        "user@127.0.0.1:9464",
        "two words:9464",
        "127.0.0.1:65536",
        "127.0.0.1:99999999999",
    ],
)
def test_other_text_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {"HEADGATE_OPS__LISTEN": text})
    (problem,) = caught.value.problems
    assert problem.path == "ops.listen (from HEADGATE_OPS__LISTEN)"
    assert "HOST:PORT, such as '127.0.0.1:9464'" in str(problem)


def test_the_default_is_not_a_choice() -> None:
    assert not load(None, {}).ops.is_chosen
    assert not load(None, {"HEADGATE_OPS__HOSTS": "metrics.example"}).ops.is_chosen
    assert load(None, {"HEADGATE_OPS__LISTEN": "127.0.0.1:9464"}).ops.is_chosen
    assert Config().ops.address == ("127.0.0.1", 9464)


def test_it_is_not_the_address_for_clients() -> None:
    wrong = {"HEADGATE_LISTEN__PORT": "9464"}
    with pytest.raises(ConfigError, match=r"is the address of listen\.host and listen\.port"):
        load(None, wrong)
    assert load(None, wrong | {"HEADGATE_OPS__LISTEN": ""})
    assert load(None, {"HEADGATE_LISTEN__PORT": "0", "HEADGATE_OPS__LISTEN": "127.0.0.1:0"})


def test_proxies_of_a_listener_that_is_off_are_a_mistake() -> None:
    with pytest.raises(ConfigError, match=r"ops\.proxy_protocol: has no effect"):
        load(None, {"HEADGATE_OPS__LISTEN": "", "HEADGATE_OPS__PROXY_PROTOCOL": "10.0.0.0/8"})


@pytest.mark.parametrize("name", ["https://a.example", "a.example/metrics", "a b", ""])
def test_a_host_is_a_name(name: str) -> None:
    with pytest.raises(ConfigError, match="is not a host name"):
        load(None, {"HEADGATE_OPS__HOSTS": f"good.example,{name}"})


def test_hosts_are_reloaded_and_the_address_needs_a_restart() -> None:
    started = Config()
    wanted = Config(ops=Ops(listen="127.0.0.1:1", hosts=("gate.example",)))
    assert [path for path, _, _ in waiting(started, wanted)] == ["ops.listen"]
    config = merged(started, wanted)
    assert config.ops.listen == started.ops.listen
    assert config.ops.hosts == ("gate.example",)
