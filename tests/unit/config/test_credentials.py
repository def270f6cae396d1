"""The credentials that the gate sends to MLflow: valid combinations and file contents."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from headgate.config import Config, CredentialSettings, load
from headgate.errors import ConfigError, HeadgateError
from headgate.upstreams.credentials import own_authorization

PREFIX = "HEADGATE_UPSTREAMS__DEFAULT__CREDENTIALS__"
EXAMPLE = Path(__file__).parents[3] / "examples" / "headgate.toml"


def problems(**settings: object) -> list[str]:
    environment = {f"{PREFIX}{name.upper()}": str(value) for name, value in settings.items()}
    try:
        load(None, environment)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text("not-a-real-secret\n", encoding="utf-8")
    return file


def test_what_goes_together(secret: Path) -> None:
    assert problems() == []
    assert problems(policy="pass") == []
    assert problems(policy="replace", token_file=secret) == []
    assert problems(policy="replace", username="gate", password_file=secret) == []


@pytest.mark.parametrize(
    "given",
    [
        {"policy": "replace"},
        {"policy": "replace", "username": "gate"},
        {"policy": "replace", "password_file": "SECRET"},
        {"policy": "replace", "username": "gate", "token_file": "SECRET"},
        {
            "policy": "replace",
            "username": "gate",
            "password_file": "SECRET",
            "token_file": "SECRET",
        },
        {"token_file": "SECRET"},
        {"policy": "pass", "username": "gate", "password_file": "SECRET"},
        {"policy": "replace", "username": "a:b", "password_file": "SECRET"},
        {"policy": "forward"},
    ],
)
def test_what_does_not(given: dict[str, str], secret: Path) -> None:
    settings = {name: secret if value == "SECRET" else value for name, value in given.items()}
    (problem,) = problems(**settings)
    assert problem.startswith("upstreams.default.credentials")


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (problem,) = problems(policy="replace", token_file=tmp_path / "missing")
    assert problem.startswith("upstreams.default.credentials.token_file: ")


def test_what_is_sent(secret: Path) -> None:
    basic = CredentialSettings.model_validate(
        {"policy": "replace", "username": "gate", "password_file": secret}
    )
    token = CredentialSettings.model_validate({"policy": "replace", "token_file": secret})
    assert own_authorization(CredentialSettings()) == ""
    assert own_authorization(token) == "Bearer not-a-real-secret"
    assert own_authorization(basic) == "Basic Z2F0ZTpub3QtYS1yZWFsLXNlY3JldA=="


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"a\x00b", b"\xff", b"a b"])
def test_what_is_no_secret(content: bytes, secret: Path) -> None:
    secret.write_bytes(content)
    settings = CredentialSettings.model_validate({"policy": "replace", "token_file": secret})
    with pytest.raises(HeadgateError) as caught:
        own_authorization(settings)
    assert str(secret) in str(caught.value)


def test_the_example_is_fit(tmp_path: Path) -> None:
    """But for its files, which are none of this machine's."""
    text = EXAMPLE.read_text(encoding="utf-8")
    config = Config.model_validate(tomllib.loads(text))
    assert {each.path.rpartition(".")[2] for each in config.conflicts()} == {"ca", "password_file"}
    for file in ("/etc/headgate/research-ca.pem", "/run/secrets/research-mlflow-password"):
        text = text.replace(file, str(tmp_path / "there"))
    (tmp_path / "there").write_text("not-a-real-secret", encoding="utf-8")
    assert Config.model_validate(tomllib.loads(text)).conflicts() == []
    assert {each.urls[0].partition(":")[0] for each in config.upstreams.values()} == {
        "http",
        "srv+https",
        "cloudmap",
    }
