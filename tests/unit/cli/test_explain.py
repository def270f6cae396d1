"""``headgate explain``: what it says of a request and of a key."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from headgate.cli import main
from tests.support.keys import make_key, revoke_key, stored_keys

CONFIGURATION = """
[upstreams.default]
url = "http://mlflow:5000"
[upstreams.lab]
url = "http://lab:5000"
prefixes = ["/lab"]
[roles.team-a]
grants = ["*:* on experiment team-a/*", "read:runs in workspace w1"]
"""

Explain = Callable[..., tuple[int, str, str]]


@pytest.fixture
def explain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Explain:
    """Runs the command: its exit code, standard output and standard error."""
    for name in os.environ:
        if name.startswith(("HEADGATE_", "MLFLOW_")):
            monkeypatch.delenv(name)
    file = tmp_path / "headgate.toml"
    file.write_text(CONFIGURATION)
    monkeypatch.setenv("HEADGATE_CONFIG", str(file))
    monkeypatch.setenv("HEADGATE_DATA", str(tmp_path))

    def explain(*arguments: str) -> tuple[int, str, str]:
        code = main(["explain", *arguments])
        return code, *capsys.readouterr()

    return explain


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_a_request_that_a_role_allows(explain: Explain) -> None:
    code, output, _ = explain(
        "post", "/mlflow/api/2.0/mlflow/runs/create?x=1", "--role", "viewer", "--role", "writer"
    )
    assert code == 0
    assert lines(output) == [
        "request     POST /api/2.0/mlflow/runs/create on upstream default",
        "operation   runs/create",
        "needs       write:runs",
        "names       experiment in experiment_id (body)",
        "who         a key with roles viewer, writer",
        "rule        write:runs, of role writer",
        "decision    allowed",
    ]


def test_a_request_that_is_denied(explain: Explain) -> None:
    """With the message that the client would receive, and an exit code for scripts."""
    code, output, _ = explain(
        "DELETE", "/api/2.0/mlflow/registered-models/delete", "--role", "viewer"
    )
    assert code == 1
    assert lines(output)[4:] == [
        "who         a key with role viewer",
        "rule        none: what no grant allows is denied",
        "decision    denied",
        (
            "            Headgate refused: your key 'NAME' may read models but not delete them; "
            "ask the gate's operator for role publisher."
        ),
    ]


def test_a_request_that_depends_on_names(explain: Explain) -> None:
    code, output, _ = explain("POST", "/api/2.0/mlflow/runs/search", "--role", "team-a")
    assert code == 0
    assert lines(output)[4:] == [
        "who         a key with role team-a",
        "rule        *:* on experiment team-a/*, of role team-a",
        "decision    allowed, provided that",
        "            experiment_ids[] (body) must name only experiments called 'team-a/*'",
    ]


def test_without_a_key_or_role_every_role_is_tried(explain: Explain) -> None:
    code, output, _ = explain("POST", "/ajax-api/2.0/mlflow/runs/create")
    assert code == 0
    assert lines(output)[4:] == [
        "decision    for a key with one role:",
        "            viewer     denied",
        "            writer     allowed  write:runs, of role writer",
        "            publisher  denied",
        "            llm-user   denied",
        "            admin      allowed  *:*, of role admin",
        "            team-a     depends  *:* on experiment team-a/*, of role team-a",
    ]


def test_a_key_of_the_store(explain: Explain, tmp_path: Path) -> None:
    """By name or id; of two that had one name, the one that works."""
    make_key(tmp_path, "ci", ["viewer"])
    revoke_key(tmp_path, "ci")
    make_key(tmp_path, "ci", ["writer", "gone"])
    record = stored_keys(tmp_path)[-1]
    for name in ("ci", record.id):
        code, output, _ = explain("GET", "/api/2.0/mlflow/runs/get", "--key", name)
        assert code == 0
        assert f"who         key 'ci' ({record.id}), roles writer, gone\n" in output
        assert "rule        read:runs, of role viewer\n" in output


def test_a_key_that_is_not_valid_is_reported(explain: Explain, tmp_path: Path) -> None:
    make_key(tmp_path, "old", expires_at=1)
    make_key(tmp_path, "bare", [])
    code, output, _ = explain("GET", "/version", "--key", "old")
    assert code == 1
    assert lines(output)[-3:] == [
        lines(output)[3],
        "decision    denied",
        "            the key is expired, so it opens nothing",
    ]
    code, output, _ = explain("GET", "/version", "--key", "bare")
    assert code == 1
    assert "no role\n" in output


def test_a_key_may_do_no_more_than_its_principal_and_its_narrowing(
    explain: Explain, tmp_path: Path
) -> None:
    make_key(
        tmp_path,
        "ci",
        ["admin"],
        owner_roles=["writer"],
        narrowing=["write:runs on experiment team-a/*", "read:*"],
    )
    code, output, _ = explain("POST", "/api/2.0/mlflow/runs/update", "--key", "ci")
    assert code == 0
    assert ", role admin, of 'ci' with role writer, narrowed to write:runs on experiment" in output
    assert "decision    allowed, provided that\n" in output
    assert explain("DELETE", "/api/2.0/mlflow/registered-models/delete", "--key", "ci")[0] == 1


def test_the_upstream_is_the_one_that_the_path_leads_to_or_another(explain: Explain) -> None:
    path = "/api/2.0/mlflow/runs/get"
    for arguments in (("GET", f"/lab{path}"), ("GET", path, "--upstream", "lab")):
        assert f"GET {path} on upstream lab\n" in explain(*arguments)[1]
    url = f"https://gate.example/mlflow{path}?run_id=1"
    assert f"GET {path} on upstream default\n" in explain("GET", url)[1]
    assert "of the gate itself\n" in explain("GET", "/-/metrics")[1]


def test_the_workspace_counts(explain: Explain) -> None:
    arguments = ("GET", "/api/2.0/mlflow/runs/get", "--role", "team-a", "--workspace", "w1")
    code, output, _ = explain(*arguments)
    assert code == 0
    assert "on upstream default, in workspace w1\n" in output
    assert "rule        read:runs in workspace w1, of role team-a\n" in output


def test_a_page_for_everybody_needs_no_key(explain: Explain) -> None:
    code, output, _ = explain("GET", "/-/livez", "--role", "team-a")
    assert code == 0
    decision = "decision    allowed, for everybody: no key is needed"
    assert lines(output)[-1] == decision
    code, output, _ = explain("GET", "/-/health")
    assert code == 0
    assert lines(output)[-3:] == [
        decision,
        "            names and addresses are shown to keys with read:gate alone; deep=1",
        "            needs administer:gate",
    ]


def test_without_authentication_everybody_may_do_everything(
    explain: Explain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADGATE_AUTH__MODE", "none")
    _, output, _ = explain("POST", "/api/2.0/mlflow/webhooks")
    assert "who         everybody (auth.mode is none)\n" in output
    assert lines(output)[-1] == "decision    allowed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("GET", "/nothing"), "No such MLflow route: GET /nothing. Check the path"),
        (("DELETE", "/-/livez"), "No such route: DELETE /-/livez. This path takes GET, HEAD."),
        (("GET", "/a//b"), "Headgate refused the request: the path has an empty segment"),
    ],
)
def test_a_request_that_is_refused_for_every_key_is_denied(
    explain: Explain, arguments: tuple[str, ...], message: str
) -> None:
    """With the exit code of each other denial."""
    code, output, errors = explain(*arguments)
    assert (code, errors) == (1, "")
    request, reason, decision, why = lines(output)
    assert request == f"request     {' '.join(arguments)}"
    assert reason.startswith("reason      ")
    assert decision == "decision    denied"
    assert message in why


def test_the_document_has_the_same_names(explain: Explain) -> None:
    code, output, _ = explain("POST", "/api/2.0/mlflow/runs/create", "--role", "viewer", "--json")
    found = json.loads(output)
    assert code == 1
    assert (found["ok"], found["errors"]) == (False, [])
    assert found["needs"] == "write:runs"
    assert found["decision"][0] == "denied"
    assert "ask the gate's operator for role writer" in found["decision"][1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("GET", "/version", "--upstream", "x"), "there is no upstream 'x': default, lab"),
        (("GET", "/version", "--role", "x"), "there is no role 'x': viewer, writer, publisher,"),
        (("GET", "/version", "--key", "x", "--role", "admin"), "--key and --role exclude"),
        (("GET", "/version", "--key", "x"), "there is no key store at"),
    ],
)
def test_what_cannot_be_explained(
    explain: Explain, arguments: tuple[str, ...], message: str
) -> None:
    code, output, errors = explain(*arguments)
    assert (code, output) == (2, "")
    assert errors.startswith("headgate: ")
    assert message in errors


def test_a_key_that_is_not_there(explain: Explain, tmp_path: Path) -> None:
    make_key(tmp_path, "ci")
    code, _, errors = explain("GET", "/version", "--key", "x")
    assert code == 2
    assert "no key has the name 'x'; 'headgate keys list' shows them all" in errors
