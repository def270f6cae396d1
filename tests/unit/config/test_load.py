"""Where settings come from, which source wins, and how problems are reported."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from headgate.config import AuthMode, Config, load
from headgate.errors import ConfigError

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a configuration file."""

    def written(text: str) -> Path:
        file = tmp_path / "headgate.toml"
        file.write_text(text or "# nothing", encoding="utf-8")
        return file

    return written


def problems(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """The problems found, each message by its path."""
    with pytest.raises(ConfigError) as caught:
        load(file, environment or {}, overrides)
    found = {problem.path: problem.message for problem in caught.value.problems}
    assert len(found) == len(caught.value.problems)
    for message in found.values():
        assert message
        assert "\n" not in message
    return found


def test_nothing_is_needed() -> None:
    assert load(None, {}) == Config()


@pytest.mark.parametrize("text", ["", "\n", " \t\r\n"])
def test_an_empty_file_is_no_configuration(text: str, tmp_path: Path) -> None:
    file = tmp_path / "headgate.toml"
    file.write_bytes(text.encode())
    (message,) = problems(file, {}).values()
    assert message.startswith("is empty; ")
    file.write_text("# all defaults are meant")
    assert load(file, {}) == Config()


def test_a_file_is_read(write: Write) -> None:
    config = load(
        write(
            """
            data = "/var/lib/headgate"
            [listen]
            host = "::1"
            port = 0
            trusted_proxies = ["10.0.0.0/8", "fd00::/8"]
            [auth]
            mode = "none"
            [upstreams.default]
            url = "http://mlflow:5000"
            prefixes = ["/", "/team/"]
            [limits]
            head_bytes = "64KiB"
            body_bytes = 1000
            [log]
            access = false
            """
        ),
        {},
    )
    assert config.key_database == Path("/var/lib/headgate/keys.sqlite")
    assert (config.listen.host, config.listen.port) == ("::1", 0)
    assert [str(each) for each in config.listen.trusted_proxies] == ["10.0.0.0/8", "fd00::/8"]
    assert config.auth.mode is AuthMode.NONE
    assert config.upstreams["default"].url == "http://mlflow:5000"
    assert config.upstreams["default"].prefixes == ("", "/team")
    assert (config.limits.head_bytes, config.limits.body_bytes) == (65536, 1000)
    assert config.log.access is False


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(write: Write) -> None:
    """In any combination of the three."""
    sources = (7001, 7002, 7003)
    for present in itertools.product((False, True), repeat=3):
        in_file, in_environment, in_overrides = present
        config = load(
            write(f"listen.port = {sources[0]}" if in_file else ""),
            {"HEADGATE_LISTEN__PORT": str(sources[1])} if in_environment else {},
            {"listen.port": sources[2] if in_overrides else None},
        )
        expected = [port for port, there in zip(sources, present, strict=True) if there]
        assert config.listen.port == (expected or [8080])[-1]


def test_what_a_higher_source_does_not_set_is_kept(write: Write) -> None:
    file = write('[listen]\nport = 7001\nhost = "127.0.0.2"\n[upstreams.default]\nidle_timeout = 1')
    config = load(file, {"MLFLOW_SERVER_URL": "http://mlflow:5000"}, {"listen.workers": 2})
    assert (config.listen.port, config.listen.host, config.listen.workers) == (7001, "127.0.0.2", 2)
    assert config.upstreams["default"].idle_timeout == 1
    assert config.upstreams["default"].url == "http://mlflow:5000"


@pytest.mark.parametrize("is_reversed", [False, True])
def test_the_own_name_of_a_setting_wins_over_its_short_one(*, is_reversed: bool) -> None:
    """In whatever order the environment holds them."""
    names = {
        "MLFLOW_SERVER_URL": "http://short:1",
        "HEADGATE_UPSTREAMS__DEFAULT__URL": "http://long:2",
    }
    items = list(names.items())
    config = load(None, dict(items[::-1] if is_reversed else items))
    assert config.upstreams["default"].url == "http://long:2"


@pytest.mark.parametrize("text", ["10.0.0.0/8,192.168.0.0/16", " 10.0.0.0/8 , 192.168.0.0/16 "])
def test_a_list_in_the_environment(text: str) -> None:
    config = load(None, {"HEADGATE_LISTEN__TRUSTED_PROXIES": text})
    assert [str(each) for each in config.listen.trusted_proxies] == ["10.0.0.0/8", "192.168.0.0/16"]


def test_an_empty_list_in_the_environment() -> None:
    assert load(None, {"HEADGATE_LISTEN__TRUSTED_PROXIES": ""}).listen.trusted_proxies == ()


def test_names_of_upstreams_in_the_environment_are_lower_case() -> None:
    config = load(
        None,
        {
            "HEADGATE_UPSTREAMS__TEAM_A__URL": "http://a:1",
            "HEADGATE_UPSTREAMS__TEAM_A__PREFIXES": "/team-a",
            "MLFLOW_SERVER_URL": "http://mlflow:5000",
        },
    )
    assert set(config.upstreams) == {"team_a", "default"}


def test_all_problems_are_reported_each_with_its_path_and_source(write: Write) -> None:
    file = write('nonsense = 1\n[listen]\nprot = 1\nport = 70000\n[auth]\nmode = "nobody"')
    found = problems(
        file,
        {"HEADGATE_LIMITS__IN_FLIGHT": "many", "MLFLOW_SERVER_URL": "mlflow:5000"},
        {"listen.workers": 0},
    )
    assert found == {
        "nonsense": "no such setting",
        "listen.prot": "no such setting",
        "listen.port": "must be 65535 or less",
        "listen.workers": "must be 1 or more",
        "auth.mode": "must be 'keys' or 'none', not 'nobody'",
        "upstreams.default.url (from MLFLOW_SERVER_URL)": (
            "the scheme is 'mlflow'; use http://host:port"
        ),
        "limits.in_flight (from HEADGATE_LIMITS__IN_FLIGHT)": (
            "must be a whole number, not 'many'"
        ),
    }


def test_a_problem_of_the_command_line_is_not_laid_on_the_environment() -> None:
    found = problems(None, {"HEADGATE_LISTEN__WORKERS": "2"}, {"listen.workers": 0})
    assert set(found) == {"listen.workers"}


@pytest.mark.parametrize(
    "name", ["HEADGATE_LISTN__PORT", "HEADGATE_LISTEN_PORT", "HEADGATE_LISTEN__", "HEADGATE_"]
)
def test_a_mistyped_variable_is_reported(name: str) -> None:
    (message,) = problems(None, {name: "1"}).values()
    assert message == "no such setting"


@pytest.mark.parametrize(
    "name",
    ["HEADGATE_CONFIG", "HEADGATE_API_KEY", "headgate_listen__port", "HEADGATES", "MLFLOW_URL"],
)
def test_other_variables_are_none_of_its_business(name: str) -> None:
    assert load(None, {name: "1"}) == Config()


def test_a_kubernetes_service_of_the_same_name_does_no_harm() -> None:
    """Kubernetes puts these into every container beside a Service called ``headgate``."""
    links = {
        "HEADGATE_SERVICE_HOST": "10.96.0.7",
        "HEADGATE_SERVICE_PORT": "8080",
        "HEADGATE_SERVICE_PORT_HTTP": "8080",
        "HEADGATE_PORT": "tcp://10.96.0.7:8080",
        "HEADGATE_PORT_8080_TCP": "tcp://10.96.0.7:8080",
        "HEADGATE_PORT_8080_TCP_PROTO": "tcp",
        "HEADGATE_PORT_8080_TCP_PORT": "8080",
        "HEADGATE_PORT_8080_TCP_ADDR": "10.96.0.7",
    }
    assert load(None, links) == Config()


@pytest.mark.parametrize(
    ("text", "environment", "path"),
    [
        ("listen = 5", {"HEADGATE_LISTEN__PORT": "1"}, "listen"),
        ("", {"HEADGATE_LISTEN": "x", "HEADGATE_LISTEN__PORT": "1"}, "listen"),
        ("upstreams.default = 'http://mlflow'", {}, "upstreams.default"),
        ("upstreams = []", {}, "upstreams"),
        ("upstreams.other.url = 'http://mlflow'", {}, "configuration"),
    ],
)
def test_a_value_in_the_place_of_a_table(
    text: str, environment: Mapping[str, str], path: str, write: Write
) -> None:
    assert [where.partition(" ")[0] for where in problems(write(text), environment)] == [path]


@pytest.mark.parametrize("text", ["[listen", "listen.port = 1\nlisten.port = 2", "a = \x01"])
def test_a_file_that_is_no_toml_is_named(text: str, write: Write) -> None:
    file = write(text)
    assert problems(file)[str(file)].startswith("is not TOML: ")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "headgate.toml"
    file.write_bytes(b"\xff\xfe\x00")
    assert problems(file)[str(file)].startswith("is not TOML: ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    assert problems(missing) == {str(missing): "No such file or directory"}
    assert problems(tmp_path) == {str(tmp_path): "Is a directory"}


def test_the_process_environment_is_not_read_behind_the_callers_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(os.environ, "HEADGATE_LISTEN__PORT", "1")
    assert load(None, {}).listen.port == 8080
