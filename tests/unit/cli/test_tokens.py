"""``headgate tokens check``, and what other commands say about issuers."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest

from headgate.cli import main
from headgate.cli.chain import walk
from headgate.cli.check import summary
from headgate.config import load
from tests.support.issuers import Issuer
from tests.support.signing import new_key

KEY = new_key("k1", "ES256")
ISSUER = Issuer("https://idp.example", "https://idp.example", KEY)
AUDIENCE = "https://gate.example"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "jwks.json").write_bytes(ISSUER.jwks())
    file = tmp_path / "headgate.toml"
    file.write_text(
        f"""
        [auth.issuers.ci]
        issuer = "{ISSUER.name}"
        audience = "{AUDIENCE}"
        jwks_file = "{tmp_path}/jwks.json"
        rules = [
            {{ when = {{ sub = "job-*", ref = "main" }}, roles = ["writer"] }},
            {{ when = {{ sub = "job-*" }}, roles = ["viewer"] }},
        ]
        """
    )
    return file


def token(**claims: Any) -> str:
    now = time.time()
    given = {"iss": ISSUER.name, "aud": AUDIENCE, "sub": "job-1", "iat": now, "exp": now + 600}
    return ISSUER.token({**given, **claims})


def check(config: Path, text: str, monkeypatch: pytest.MonkeyPatch, *more: str) -> int:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    return main(["tokens", "check", "--config", str(config), *more])


def test_a_good_token(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = token(ref="main")
    assert check(config, f"Bearer {shown}\n", monkeypatch) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["ok"] * 8 + ["accepted"]
    assert "ES256, kid 'k1'" in lines[0]
    assert "fits: writer" in lines[5]
    assert "ci:job-1 (job-1): writer, viewer" in lines[7]
    assert not any(part in "".join(lines) for part in shown.split("."))


def test_a_token_for_others_shows_all_that_is_wrong(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(config, token(aud="x", sub="job"), monkeypatch, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["reason"], found["principal"]) == (False, "token_audience", None)
    seen = {step["step"]: step["seen"] for step in found["steps"] if not step["ok"]}
    assert "aud='x'" in seen["check audience and times"]
    assert "no rule of the issuer 'ci' fits" in seen["give it roles"]
    rules = [step["seen"] for step in found["steps"] if step["step"].startswith("rule")]
    assert rules == [
        "does not fit: sub is 'job', not 'job-*'; ref is absent, not 'main'",
        "does not fit: sub is 'job', not 'job-*'",
    ]


@pytest.mark.parametrize(
    ("text", "reason", "step"),
    [
        ("hg_abc", "token_malformed", "read the token"),
        (token()[:-8] + "AAAAAAAA", "token_signature", "check the signature"),
        (token(iss="https://x.example"), "token_issuer", "find its issuer"),
        (
            ISSUER.token({"iss": ISSUER.name}, {"alg": "ES256", "kid": "x"}),
            "token_key_unknown",
            "find the signing key",
        ),
        (
            ISSUER.token({"iss": ISSUER.name}, {"alg": "ES384", "kid": "k1"}),
            "token_algorithm",
            "check the algorithm",
        ),
    ],
)
def test_the_first_step_that_fails(
    text: str,
    reason: str,
    step: str,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert check(config, text, monkeypatch, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["reason"] == reason
    assert found["steps"][-1]["step"] == step
    assert not found["steps"][-1]["ok"]


def test_nothing_to_check(
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert check(config, " \n", monkeypatch) == 2
    assert "no token on standard input" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", None)
    assert main(["tokens", "check", "--config", str(config)]) == 2
    assert "standard input is closed" in capsys.readouterr().err
    empty = tmp_path / "empty.toml"
    empty.write_text("data = 'd'")
    assert check(empty, token(), monkeypatch) == 2
    assert "no issuers" in capsys.readouterr().err


def test_keys_that_cannot_be_read(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (config.parent / "jwks.json").write_text("{")
    assert check(config, token(), monkeypatch, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["reason"] == "issuer_unavailable"
    assert "the key set is not JSON" in found["steps"][-1]["seen"]
    assert main(["check", "--config", str(config)]) == 2
    assert "auth.issuers.ci.jwks_file" in capsys.readouterr().err


def test_the_summary_names_the_issuers(config: Path) -> None:
    lines = dict(summary(load(config, {})))
    assert lines["clients"].endswith(", or a token")
    assert lines["tokens"].startswith("ci: of https://idp.example, its keys from /")


def test_the_doctor_fetches_the_keys(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load(config, {"MLFLOW_SERVER_URL": "http://127.0.0.1:1"})
    assert walk(settings.model_copy(update={"upstreams": {}}), as_json=False) == 0
    assert "fetch the keys of the issuer ci" in capsys.readouterr().out
    (config.parent / "jwks.json").unlink()
    assert walk(settings.model_copy(update={"upstreams": {}}), as_json=False) == 1
    assert "HTTPS_PROXY" in capsys.readouterr().out
