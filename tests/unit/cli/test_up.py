"""``headgate up``: what it settles before anything runs, and what it shows and takes back."""

from __future__ import annotations

import importlib.util
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headgate import compose
from headgate.cli.up import configuration, embedded_mlflow, notices, run_gate
from headgate.compose import Listening
from headgate.config import Config
from headgate.errors import ConfigError, HeadgateError
from headgate.stores import KeyState
from tests.support.keys import stored_keys


def configured(
    environment: dict[str, str] | None = None,
    mlflow: str | None = None,
    data: Path | None = None,
    port: int | None = 0,
) -> Config:
    return configuration(environment or {}, mlflow=mlflow, data=data, port=port)


def test_only_this_machine_can_reach_the_gate() -> None:
    config = configured({"HEADGATE_LISTEN__HOST": "0.0.0.0"})  # noqa: S104 - what is overruled

    assert config.listen.host == "127.0.0.1"


def test_the_embedded_server_is_on_a_port_of_this_machine() -> None:
    config = configured({"MLFLOW_SERVER_URL": "http://elsewhere:5000"})

    assert config.upstreams["default"].url.startswith("http://127.0.0.1:")


def test_a_server_of_ones_own_is_taken_as_it_is() -> None:
    config = configured(mlflow="http://mlflow:5000")

    assert config.upstreams["default"].url == "http://mlflow:5000"


@pytest.mark.parametrize(
    ("environment", "access"), [({}, False), ({"HEADGATE_LOG__ACCESS": "true"}, True)]
)
def test_requests_are_logged_only_when_asked_for(environment: dict[str, str], access: bool) -> None:
    assert configured(environment).log.access is access


def test_all_problems_are_reported_together() -> None:
    with pytest.raises(ConfigError) as caught:
        configured(mlflow="mlflow:5000", port=65536)

    assert [problem.path for problem in caught.value.problems] == [
        "listen.port",
        "upstreams.default.url",
    ]


@pytest.mark.parametrize("by_option", [True, False])
def test_a_port_that_was_asked_for_and_is_taken_is_refused(by_option: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        environment = {} if by_option else {"HEADGATE_LISTEN__PORT": str(port)}

        with pytest.raises(HeadgateError, match=rf"^port {port} is in use; choose another "):
            configured(environment, port=port if by_option else None)


def test_another_port_than_the_usual_one_is_said() -> None:
    config = configured(port=0)

    assert notices({}, config, mlflow=None, port=None) == ["port 8080 is in use; using 0"]


def test_a_port_that_was_asked_for_is_no_news() -> None:
    config = configured(port=0)

    assert notices({}, config, mlflow=None, port=0) == []
    assert notices({"HEADGATE_LISTEN__PORT": "0"}, config, mlflow=None, port=None) == []


def test_a_variable_of_another_command_is_not_ignored_in_silence() -> None:
    environment = {"MLFLOW_SERVER_URL": "http://mlflow:5000"}

    (notice,) = notices(environment, configured(), mlflow=None, port=0)

    assert "--mlflow URL" in notice


def test_a_missing_mlflow_is_one_line_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with (
        pytest.raises(HeadgateError, match=r"pip install 'headgate\[mlflow\]'"),
        embedded_mlflow(configured(), tmp_path),
    ):
        pytest.fail("a server was started")


def gate(*, fails: bool) -> Callable[[Config, Callable[[Listening], None]], int]:
    def serve(config: Config, announce: Callable[[Listening], None]) -> int:
        if fails:
            raise HeadgateError("127.0.0.1:8080 is taken")
        announce(Listening("127.0.0.1", 8080))
        return 5

    return serve


def test_the_first_key_is_printed_once_the_gate_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compose, "serve", gate(fails=False))

    first = run_gate(configured(data=tmp_path), stops_mlflow=True)
    printed_first = capsys.readouterr().out
    run_gate(configured(data=tmp_path), stops_mlflow=True)
    printed_second = capsys.readouterr().out

    assert first == 5
    assert "\nexport MLFLOW_TRACKING_TOKEN=hg_" in printed_first
    assert "hg_" not in printed_second


def test_a_gate_that_cannot_start_leaves_no_key_that_nobody_has_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compose, "serve", gate(fails=True))
    config = configured(data=tmp_path)

    with pytest.raises(HeadgateError):
        run_gate(config, stops_mlflow=True)

    assert capsys.readouterr().out == ""
    assert [record.state(time.time()) for record in stored_keys(tmp_path)] == [KeyState.REVOKED]
