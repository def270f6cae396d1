"""``headgate check``: the summary of a sound configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headgate.cli import main
from headgate.cli.chain import walk
from headgate.cli.check import summary, unfit_files
from headgate.config import load


def test_the_summary_names_what_the_gate_would_do() -> None:
    config = load(
        None,
        {
            "HEADGATE_LISTEN__HOST": "::1",
            "HEADGATE_LISTEN__WORKERS": "4",
            "HEADGATE_DATA": "/var/lib/headgate",
            "MLFLOW_SERVER_URL": "http://mlflow:5000",
        },
    )

    assert summary(config) == [
        ("listen", "http://[::1]:8080, 4 workers"),
        ("clients", "need a key of /var/lib/headgate/keys.sqlite"),
        ("upstream", "default: http://mlflow:5000, reached under / /mlflow /api/mlflow"),
        ("access log", "on standard output"),
    ]


def test_the_summary_does_not_hide_that_everybody_passes() -> None:
    config = load(None, {"HEADGATE_AUTH__MODE": "none"})

    assert ("clients", "need no key") in summary(config)


def test_the_summary_says_whether_clients_need_https(tmp_path: Path) -> None:
    file = tmp_path / "any.pem"
    file.touch()
    config = load(None, {}, {"listen.tls.certificate": file, "listen.tls.key": file})

    assert ("listen", "https://127.0.0.1:8080, 1 worker") in summary(config)


def test_the_summary_says_who_must_send_a_proxy_header(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Others are closed without a word, which is hard to find out otherwise."""
    monkeypatch.delenv("HEADGATE_CONFIG", raising=False)
    monkeypatch.setenv("HEADGATE_AUTH__MODE", "none")
    monkeypatch.setenv("HEADGATE_LISTEN__PROXY_PROTOCOL", "10.0.1.0/24, fd00::/8")
    monkeypatch.setenv("HEADGATE_OPS__PROXY_PROTOCOL", "0.0.0.0/0")

    assert main(["check"]) == 0

    printed = capsys.readouterr()
    assert (
        "proxies     must send PROXY protocol: 10.0.1.0/24 fd00::/8 (listen.proxy_protocol); all "
        "other connections are closed\n"
    ) in printed.out
    assert "0.0.0.0/0 (ops.proxy_protocol); all" in printed.out
    assert "warning: ops.proxy_protocol: 0.0.0.0/0 is every address" in printed.err
    assert "listen.proxy_protocol: " not in printed.err
    assert main(["check", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["proxy_protocol"] == {
        "listen.proxy_protocol": ["10.0.1.0/24", "fd00::/8"],
        "ops.proxy_protocol": ["0.0.0.0/0"],
    }


def test_the_doctor_says_so_too(capsys: pytest.CaptureFixture[str]) -> None:
    config = load(None, {"HEADGATE_LISTEN__PROXY_PROTOCOL": "10.0.1.0/24"})

    assert walk(config.model_copy(update={"upstreams": {}}), as_json=False) == 0

    said = " ".join(capsys.readouterr().out.split())
    assert said == (
        "ok listen.proxy_protocol requires a PROXY header from 10.0.1.0/24; all other connections "
        "are closed"
    )


def test_the_file_may_be_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "headgate.toml"
    file.write_text("[listen]\nport = 9000\n")
    monkeypatch.setenv("HEADGATE_CONFIG", str(file))

    code = main(["check"])

    printed = capsys.readouterr()
    assert (code, printed.err) == (0, "")
    assert "http://127.0.0.1:9000, 1 worker\n" in printed.out


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a\r\nb\r\n", "must hold one line of text, the secret"),
        (b"\x00\xff" * 1_500_000, "is longer than any secret"),
        (b"\xff\xfe", "is not text in UTF-8"),
        (b"", "must hold one line of text, the secret"),
        (b"two words\n", "holds no token"),
    ],
)
def test_a_secret_file_that_no_gate_would_start_with_is_a_problem(
    tmp_path: Path, content: bytes, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    token = tmp_path / "token"
    token.write_bytes(content)
    token.chmod(0o600)
    file = tmp_path / "headgate.toml"
    file.write_text(
        f'[upstreams.default.credentials]\npolicy = "replace"\ntoken_file = "{token}"\n'
    )
    assert main(["check", "--config", str(file)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"headgate: upstreams.default.credentials: {token} ")
    assert told in line


def test_a_secret_with_the_line_end_of_another_system_is_one(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_bytes(b"secret\r\n")
    config = load(
        None,
        {},
        {
            "upstreams.default.credentials.policy": "replace",
            "upstreams.default.credentials.token_file": token,
        },
    )
    assert unfit_files(config) == []


def test_a_certificate_that_no_gate_would_start_with_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "any.pem"
    file.write_text("nothing")
    config = load(None, {}, {"listen.tls.certificate": file, "listen.tls.key": file})
    (problem,) = unfit_files(config)
    assert problem.path == "listen.tls"
    assert str(file) in problem.message
