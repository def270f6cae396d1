"""``headgate serve``: options over configuration, and what it says before the first request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from headgate import compose
from headgate.cli import main
from headgate.cli.serve import configuration, notices
from headgate.compose import ConfigSource, Listening
from headgate.config import Config, load
from headgate.errors import ConfigError, HeadgateError
from tests.support.keys import make_key, revoke_key

URL = "http://mlflow:5000"


def configured(
    listen: str | None = None, mlflow: str | None = None, workers: int | None = None
) -> Config:
    environment = {"MLFLOW_SERVER_URL": URL, "HEADGATE_LISTEN__PORT": "9000"}
    return configuration(None, environment, listen=listen, mlflow=mlflow, workers=workers)


def test_options_go_over_the_environment() -> None:
    config = configured("[::1]:9001", "http://other:5001", 3)

    assert (config.listen.host, config.listen.port, config.listen.workers) == ("::1", 9001, 3)
    assert config.upstreams["default"].url == "http://other:5001"


def test_without_options_the_environment_holds() -> None:
    config = configured()

    assert (config.listen.host, config.listen.port) == ("127.0.0.1", 9000)
    assert config.upstreams["default"].url == URL


@pytest.mark.parametrize("text", ["8080", ":8080", "gate:", ""])
def test_a_malformed_address_is_reported_with_all_other_problems(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configuration(None, {}, listen=text, mlflow="mlflow:5000", workers=0)

    assert [problem.path for problem in caught.value.problems] == [
        "--listen",
        "listen.workers",
        "upstreams.default.url",
    ]


def test_a_malformed_address_alone_is_enough_not_to_start() -> None:
    with pytest.raises(ConfigError, match="'8080' is not HOST:PORT"):
        configured("8080")


def test_a_port_that_is_no_number_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^listen\.port: "):
        configuration(None, {}, listen="127.0.0.1:http", mlflow=URL, workers=None)


def test_the_development_address_of_mlflow_is_never_used_in_silence(tmp_path: Path) -> None:
    config = load(None, {"HEADGATE_DATA": str(tmp_path), "HEADGATE_AUTH__MODE": "none"})

    assert notices(config) == [
        "no MLflow address is configured; using http://127.0.0.1:5000 (set MLFLOW_SERVER_URL)"
    ]


def test_an_upstream_configured_without_its_address_counts_as_unconfigured() -> None:
    config = load(
        None,
        {"HEADGATE_UPSTREAMS__DEFAULT__CONNECT_TIMEOUT": "1", "HEADGATE_AUTH__MODE": "none"},
    )

    assert len(notices(config)) == 1


def test_a_gate_that_nobody_can_pass_says_how_to_change_that(tmp_path: Path) -> None:
    data = tmp_path / "the data"
    config = load(None, {"HEADGATE_DATA": str(data), "MLFLOW_SERVER_URL": URL})

    (notice,) = notices(config)

    assert notice == (
        f"{data}/keys.sqlite has no valid key, so the gate will refuse all requests; "
        f"create one with: headgate keys create NAME --data '{data}'"
    )


def test_revoked_keys_do_not_count(tmp_path: Path) -> None:
    config = load(None, {"HEADGATE_DATA": str(tmp_path), "MLFLOW_SERVER_URL": URL})
    make_key(tmp_path, "ci")
    with_a_key = notices(config)
    revoke_key(tmp_path, "ci")

    assert with_a_key == []
    assert len(notices(config)) == 1


def test_a_store_that_cannot_be_reached_keeps_no_gate_from_starting(tmp_path: Path) -> None:
    url = tmp_path / "url"
    url.write_text("postgresql://127.0.0.1:1/headgate?sslmode=disable", encoding="utf-8")
    url.chmod(0o600)
    environment = {"HEADGATE_AUTH__DATABASE_URL_FILE": str(url), "MLFLOW_SERVER_URL": URL}

    (notice,) = notices(load(None, environment | {"HEADGATE_DATA": str(tmp_path)}))

    assert "until postgresql://127.0.0.1:1/headgate can be reached" in notice


def test_a_key_that_a_new_store_is_to_take_counts(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"made for this test").hexdigest()
    environment = {"HEADGATE_AUTH__FIRST_KEY_SHA256": digest, "MLFLOW_SERVER_URL": URL}

    assert notices(load(None, environment | {"HEADGATE_DATA": str(tmp_path)})) == []


def test_the_exit_code_is_the_gates_and_the_address_is_announced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def run(
        config: Config,
        announce: Callable[[Listening], None],
        source: ConfigSource,
        *_more: object,
        take_over: bool,
        hands_over: bool,
    ) -> int:
        assert (take_over, hands_over) == (False, True)
        announce(Listening("::1", 41234))
        return 7

    monkeypatch.setattr(compose, "serve", run)
    monkeypatch.setenv("HEADGATE_DATA", str(tmp_path))

    code = main(["serve", "--mlflow", URL])

    assert code == 7
    assert capsys.readouterr().err.endswith(
        "headgate: listening on http://[::1]:41234, MLflow at http://mlflow:5000\n"
    )


def test_a_gate_that_cannot_start_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(
        config: Config,
        announce: Callable[[Listening], None],
        source: ConfigSource,
        *_more: object,
        take_over: bool,
        hands_over: bool,
    ) -> int:
        raise HeadgateError("127.0.0.1:8080 is taken")

    monkeypatch.setattr(compose, "serve", fail)
    monkeypatch.setenv("HEADGATE_AUTH__MODE", "none")

    code = main(["serve", "--mlflow", URL])

    assert (code, capsys.readouterr().err) == (2, "headgate: 127.0.0.1:8080 is taken\n")


def test_a_public_address_without_authentication_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEADGATE_AUTH__MODE", "none")

    code = main(["serve", "--listen", "0.0.0.0:8080", "--mlflow", URL])

    assert code == 2
    assert capsys.readouterr().err.startswith("headgate: auth.mode: 'none' with listen.host ")
