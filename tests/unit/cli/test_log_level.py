"""``headgate log-level`` asks a gate."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from headgate.cli import gate_api, main
from tests.unit.control.api.stand import Stand, sender


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Stand:
    """The gate that is asked, whatever the address."""
    made = Stand()
    root = sender("admin", name="root", id_="p_root0001")

    def exchange(
        _self: object, method: str, target: str, fields: Mapping[str, str], body: bytes | None
    ) -> gate_api.Response:
        path = target.removeprefix("/-/api/v1/")
        reply = made.ask(method, path, who=root, raw=body, headers=fields)
        return gate_api.Response(reply.status, reply.reason, reply.content)

    monkeypatch.setattr(gate_api.HttpExchange, "__call__", exchange)
    monkeypatch.setenv("HEADGATE_API_KEY", "hg_" + "a" * 49)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://gate.example")
    return made


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    return {each[0]: each[1] for each in lines}


@pytest.mark.usefixtures("stand")
def test_a_level_is_set_shown_and_reset(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log-level", "show"]) == 0
    assert set(shown(capsys).values()) == {"info"}
    assert main(["log-level", "set", "auth", "debug", "--for", "5m", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"]
    (auth,) = [each for each in document["modules"] if each["module"] == "auth"]
    assert auth["level"] == "debug"
    assert main(["log-level", "reset", "auth"]) == 0
    assert shown(capsys)["auth"] == "info"


@pytest.mark.usefixtures("stand")
def test_a_module_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log-level", "set", "mlflow", "debug"]) == 2
    assert "there is no such module" in capsys.readouterr().err


def test_a_gate_has_to_be_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert main(["log-level", "show"]) == 2
    assert "--url" in capsys.readouterr().err
