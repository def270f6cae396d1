"""``headgate doctor cve``: the report on a version, and what can go wrong on the way to it."""

from __future__ import annotations

import pytest

from headgate.cli import doctor, main
from headgate.cli.doctor import blocker, document, lines
from headgate.config import ShieldRule
from headgate.shields.vulnerabilities import Guard, Vulnerability, known_up_to

FOUND = [
    Vulnerability("CVE-1", "files read", ("3.0.0",), ShieldRule.TRAVERSAL),
    Vulnerability("CVE-2", "calls made", ("3.9.0",), ShieldRule.PRIVATE_TARGET, True, "add a rule"),
    Vulnerability("CVE-3", "code run", (), None),
    Vulnerability("CVE-4", "jobs run", (), Guard.ROLES),
]
PAD = " " * 22


def test_the_report_for_a_person() -> None:
    """The pressing ones come first, each with what is known and what blocks it."""
    assert lines("3.1.0", FOUND)[:-3] == [
        f"MLflow 3.1.0, 4 published vulnerabilities known, up to {known_up_to()}",
        "",
        "Needs an upgrade: 1",
        "  CVE-2                calls made",
        f"{PAD} affected: yes; fixed in 3.9.0; partly blocked by shield private-target",
        f"{PAD} add a rule",
        "",
        "Out of a gate's reach: 1",
        "  CVE-3                code run",
        f"{PAD} affected: not certain",
        "",
        "Blocked in part: none",
        "",
        "Blocked by the gate: 1",
        "  CVE-4                jobs run",
        f"{PAD} affected: not certain; blocked by the gate: {blocker(FOUND[3])[10:]}",
        "",
        "Not in this version: 1",
        "  CVE-1                files read",
    ]
    assert "Needs an upgrade: none" in lines("3.9.0", FOUND)


def test_the_report_for_a_program() -> None:
    told = document("http://gate", "3.1.0", FOUND)["vulnerabilities"]
    assert isinstance(told, list)
    assert [(each["affected"], each["standing"]) for each in told] == [
        (False, "not affected"),
        (True, "needs an upgrade"),
        (None, "out of reach"),
        (None, "shielded"),
    ]
    assert told[1]["by"] == "shield private-target"
    assert blocker(FOUND[2]) == ""


@pytest.mark.parametrize(
    ("version", "code"), [("3.8.1", 1), ("2.22.5", 1), ("3.15.0", 0), ("99.0.0", 0)]
)
def test_the_exit_code(
    version: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """1 if a release is known that closes what the gate can block in part only."""
    asked: list[tuple[str, str]] = []

    def ask(url: str, key: str) -> str:
        asked.append((url, key))
        return version

    monkeypatch.setenv("HEADGATE_API_KEY", "hg_key")
    monkeypatch.setattr(doctor, "ask_version", ask)
    assert main(["doctor", "cve", "--url", "https://gate.example/mlflow/"]) == code
    assert asked == [("https://gate.example/mlflow", "hg_key")]
    assert f"MLflow {version}" in capsys.readouterr().out


def test_a_gate_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Told in one line."""
    monkeypatch.setenv("HEADGATE_API_KEY", "hg_key")
    assert main(["doctor", "cve", "--url", "http://127.0.0.1:1"]) == 2
    assert "http://127.0.0.1:1 does not answer: " in capsys.readouterr().err
