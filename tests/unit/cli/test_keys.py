"""``headgate keys`` as its users see it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from headgate.auth.keys.form import KeyForm, digest, form_of
from headgate.cli import keys
from headgate.config import Config
from headgate.errors import ConfigError, HeadgateError
from headgate.stores import KeyState, open_identity_store
from tests.support.keys import make_key, stored_keys
from tests.support.processes import clean_environment

DAY = 86_400
Keys = Callable[..., Result]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(data: Path, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """Runs one ``keys`` command on the folder ``data``; errors for the operator are raised."""
    for name in os.environ:
        if name.startswith(("HEADGATE_", "MLFLOW_")):
            monkeypatch.delenv(name)

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(keys.app, [*arguments, "--data", str(data)])
        if isinstance(result.exception, HeadgateError):
            raise result.exception
        return result

    return run


def as_json(result: Result) -> dict[str, Any]:
    """The document that a command printed, with what all of them have in common."""
    document = dict(json.loads(result.stdout))
    assert list(document)[:2] == ["ok", "errors"]
    assert document["ok"] is (result.exit_code == 0)
    return document


def records(data: Path) -> list[dict[str, Any]]:
    return [
        {"name": record.name, "digest": record.digest, "state": record.state(time.time())}
        for record in stored_keys(data)
    ]


def test_create_prints_the_key_alone_on_standard_output(run: Keys, data: Path) -> None:
    """So that ``KEY=$(headgate keys create ci)`` holds it; logs of standard error do not."""
    result = run("create", "ci")
    assert result.exit_code == 0
    secret = result.stdout.removesuffix("\n")
    assert form_of(secret) is KeyForm.WELL_FORMED
    assert records(data) == [{"name": "ci", "digest": digest(secret), "state": KeyState.ACTIVE}]
    assert secret not in result.stderr
    assert "shown only once" in result.stderr
    assert "export MLFLOW_TRACKING_TOKEN=<key>" in result.stderr


def test_every_key_is_another(run: Keys) -> None:
    assert run("create", "one").stdout != run("create", "two").stdout


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("30m", 1_800), ("12h", 43_200), ("90d", 90 * DAY), ("52w", 364 * DAY)],
)
def test_a_key_may_end_by_itself(run: Keys, text: str, seconds: int) -> None:
    before = int(time.time())
    created = run("create", "ci", "--expires-in", text)
    (listed,) = as_json(run("list", "--json"))["keys"]
    assert f"valid until {listed['expires_at']}" in created.stderr
    expires = time.mktime(time.strptime(listed["expires_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    assert before + seconds <= expires <= time.time() + seconds


@pytest.mark.parametrize(
    "text", ["", "90", "d", "0d", "-1d", "1.5d", "5y", "36501d", "9" * 13 + "s", "٣d"]
)
def test_a_time_that_makes_no_sense_is_refused(run: Keys, data: Path, text: str) -> None:
    result = run("create", "ci", f"--expires-in={text}")
    assert result.exit_code == 2
    assert not data.exists()


def test_list_shows_each_key_and_its_state(run: Keys) -> None:
    for name in ("build", "nightly", "[red]old"):
        run("create", name, "--expires-in", "90d")
    run("create", "forever")
    run("revoke", "[red]old")
    shown = run("list").stdout
    rows = [line.split() for line in shown.splitlines() if "k_" in line]
    assert [row[1] for row in rows] == ["build", "nightly", "[red]old", "forever"]
    assert [row[2:4] for row in rows] == [["writer", rows[0][3]]] * 4
    assert [row[4] for row in rows] == ["until", "until", "revoked", "active"]
    assert shown.count("publisher") == 4
    assert max(map(len, shown.splitlines())) <= 80


def test_list_for_programs(run: Keys, data: Path) -> None:
    run("create", "ci")
    run("create", "old")
    run("revoke", "old")
    one, other = as_json(run("list", "--json"))["keys"]
    assert set(one) == {
        *("id", "name", "roles", "state"),
        *("created_at", "expires_at", "revoked_at"),
        *("principal", "created_by", "description", "narrowing", "last_used"),
        *("replaces", "replaced_by", "break_glass"),
    }
    assert one["roles"] == ["writer", "publisher"]
    assert (one["name"], one["state"], one["expires_at"], one["revoked_at"]) == (
        "ci",
        "active",
        None,
        None,
    )
    assert other["state"] == "revoked"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", other["revoked_at"])


def test_an_expired_key_is_shown_as_such(run: Keys, data: Path) -> None:
    make_key(data, "old", made_at=0, expires_at=DAY)
    assert "expired 1970-01-02 00:00Z" in run("list").stdout
    assert as_json(run("list", "--json"))["keys"][0]["state"] == "expired"


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_list_never_shows_secrets_or_digests(run: Keys, option: tuple[str, ...]) -> None:
    secret = run("create", "ci").stdout.strip()
    shown = run("list", *option).output
    assert secret not in shown
    assert digest(secret).hex() not in shown


def test_an_empty_store_says_how_to_make_a_key(run: Keys, data: Path) -> None:
    open_identity_store(Config(data=data)).close()
    assert "headgate keys create NAME" in run("list").stderr
    assert as_json(run("list", "--json")) == {
        "ok": True,
        "errors": [],
        "keys": [],
        "unreadable": [],
    }


def roles(data: Path) -> list[tuple[str, ...]]:
    return [record.roles for record in stored_keys(data)]


def test_a_key_has_the_roles_it_is_made_with(run: Keys, data: Path) -> None:
    created = run("create", "ci", "--role", "viewer")
    assert "with role viewer, valid until" in created.stderr
    created = run("create", "nightly", "--role", "publisher", "--role", "writer")
    assert "with roles publisher, writer, valid until" in created.stderr
    assert "with roles writer, publisher, valid until" in run("create", "default").stderr
    assert roles(data) == [("viewer",), ("publisher", "writer"), ("writer", "publisher")]


def test_own_roles_are_those_of_the_configuration(run: Keys, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "headgate.toml"
    file.write_text("[roles.team-a]\ngrants = ['read:runs']\n")
    run("create", "ci", "--role", "team-a", "--config", str(file))
    assert roles(data) == [("team-a",)]


@pytest.mark.parametrize("command", [["create"], ["set-roles"]])
def test_a_role_that_does_not_exist_is_refused(run: Keys, data: Path, command: list[str]) -> None:
    """With the one that may be meant, and all there are."""
    run("create", "old")
    with pytest.raises(
        HeadgateError,
        match=r"no role 'wrtier'; did you mean 'writer'\? the roles are viewer, writer, publisher",
    ):
        run(*command, "old", "--role", "viewer", "--role", "wrtier")
    assert roles(data) == [("writer", "publisher")]


def test_a_key_can_be_given_other_roles(run: Keys, data: Path) -> None:
    run("create", "ci")
    result = run("set-roles", "ci", "--role", "viewer")
    assert result.stdout == ""
    assert re.fullmatch(r"the key 'ci' \(k_\w{8}\) now has role viewer\n", result.stderr)
    assert roles(data) == [("viewer",)]
    assert run("set-roles", "ci").exit_code == 2


@pytest.mark.parametrize("field", ["name", "id"])
def test_revoke_by_name_or_id(run: Keys, data: Path, field: str) -> None:
    run("create", "ci")
    run("create", "other")
    listed = as_json(run("list", "--json"))["keys"]
    result = run("revoke", listed[0][field])
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"revoked the key 'ci' ({listed[0]['id']})" in result.stderr
    assert [record["state"] for record in records(data)] == [KeyState.REVOKED, KeyState.ACTIVE]


def test_revoking_an_unknown_key_is_an_error(run: Keys) -> None:
    run("create", "ci")
    with pytest.raises(HeadgateError, match="no key has the name 'nobody'"):
        run("revoke", "nobody")


def test_revoking_twice_says_so_and_succeeds(run: Keys) -> None:
    """What was asked for is the case; and the time of the first stays."""
    run("create", "ci")
    assert run("revoke", "ci").stderr.startswith("revoked the key 'ci' (k_")
    (before,) = as_json(run("list", "--json"))["keys"]
    again = run("revoke", "ci")
    assert again.exit_code == 0
    assert f"({before['id']}) was already revoked, at {before['revoked_at']}\n" in again.stderr
    assert as_json(run("list", "--json"))["keys"] == [before]


def headgate(redirection: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell, its output going where ``redirection`` says."""
    command = shlex.join([sys.executable, "-m", "headgate", *arguments])
    return subprocess.run(
        ["sh", "-c", f"exec {command} {redirection}"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("redirection", "what"), [(">&-", "it is closed"), ("> /dev/full", "No space left on device")]
)
def test_a_key_that_cannot_be_printed_is_not_made(data: Path, redirection: str, what: str) -> None:
    done = headgate(redirection, "keys", "create", "ci", "--data", str(data))
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert lines[-1] == (f"headgate: cannot write to standard output ({what}): no key was created")
    assert "Traceback" not in done.stderr
    assert records(data) == []


def test_a_key_is_not_made_for_a_reader_that_has_left(data: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as output:
        done = subprocess.run(
            [sys.executable, "-m", "headgate", "keys", "create", "ci", "--data", str(data)],
            env=clean_environment(),
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert "(the connection was closed): no key was created" in done.stderr
    assert records(data) == []


@pytest.mark.parametrize("redirection", ["2>&-", "2> /dev/full"])
def test_standard_output_holds_the_key_alone_wherever_the_rest_goes(
    data: Path, redirection: str
) -> None:
    done = headgate(redirection, "keys", "create", "ci", "--data", str(data))
    assert done.returncode == 0
    assert form_of(done.stdout.removesuffix("\n")) is KeyForm.WELL_FORMED


def test_each_command_has_a_document_for_programs(run: Keys) -> None:
    created = as_json(run("create", "ci", "--json", "--expires-in", "1d"))
    assert form_of(created["secret"]) is KeyForm.WELL_FORMED
    assert created["key"]["name"] == "ci"
    changed = as_json(run("set-roles", "ci", "--role", "viewer", "--json"))
    assert changed["key"] == created["key"] | {"roles": ["viewer"]}
    revoked = as_json(run("revoke", "ci", "--json"))
    assert (revoked["key"]["state"], revoked["was_revoked"]) == ("revoked", False)
    assert as_json(run("revoke", "ci", "--json")) == revoked | {"was_revoked": True}
    assert as_json(run("list", "--json"))["keys"] == [revoked["key"]]


@pytest.mark.parametrize("columns", [20, 40, 60])
def test_the_list_can_be_read_in_a_narrow_terminal(
    run: Keys, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for name in ("build", "a name of some length (team A)"):
        run("create", name, "--expires-in", "90d")
    run("revoke", "build")
    shown = run("list").stdout
    assert max(map(len, shown.splitlines())) <= columns
    words = " ".join(shown.split())
    for record in as_json(run("list", "--json"))["keys"]:
        assert f"{record['id']} {record['name']} writer publisher made " in words
    assert "revoked 20" in words
    assert "until 20" in words


def test_a_new_store_is_reported(run: Keys, data: Path) -> None:
    """Keys of a deleted store no longer work, so the operator has to know."""
    warning = "if there was one before, its keys no longer work"
    assert warning in run("create", "one").stderr
    assert warning not in run("create", "two").stderr
    (data / "keys.sqlite").unlink()
    assert warning in run("create", "three").stderr


def test_a_damaged_row_is_named_and_left_out_of_the_list(run: Keys, data: Path) -> None:
    run("create", "good")
    run("create", "bad")
    with contextlib.closing(sqlite3.connect(data / "keys.sqlite")) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("UPDATE keys SET expires_at = 'soon' WHERE name = 'bad'")
        connection.commit()
    result = run("list")
    assert result.exit_code == 0
    assert "good" in result.stdout
    assert "bad" not in result.stdout
    assert re.search(r"skipped, row 2 \('k_\w+', 'bad'\): expires_at is text", result.stderr)


def test_a_name_in_use_is_an_error_and_prints_no_key(run: Keys, data: Path) -> None:
    run("create", "ci")
    result = CliRunner().invoke(keys.app, ["create", "ci", "--data", str(data)])
    assert isinstance(result.exception, HeadgateError)
    assert result.stdout == ""


@pytest.mark.parametrize("command", [["create"], ["revoke"], ["set-roles", "--role", "viewer"]])
def test_a_key_in_the_place_of_a_name_is_not_repeated(run: Keys, command: list[str]) -> None:
    secret = run("create", "ci").stdout.strip()
    for given in (secret, secret[:-1]):
        with pytest.raises(HeadgateError, match="that is a key itself") as caught:
            run(*command, given)
        assert given not in str(caught.value)


@pytest.mark.parametrize(
    "arguments", [("list",), ("revoke", "ci"), ("set-roles", "ci", "--role", "viewer")]
)
def test_looking_at_a_store_that_is_not_there_makes_none(
    run: Keys, data: Path, arguments: tuple[str, ...]
) -> None:
    with pytest.raises(HeadgateError, match="there is no key store at"):
        run(*arguments)
    assert not data.exists()


def test_the_folder_comes_from_option_environment_or_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Keys, data: Path
) -> None:
    """In this order: the most explicit one wins."""
    file = tmp_path / "headgate.toml"
    file.write_text(f"data = '{tmp_path}/from-file'")

    def create(*options: str) -> None:
        assert CliRunner().invoke(keys.app, ["create", "ci", *options]).exit_code == 0

    create("--config", str(file))
    monkeypatch.setenv("HEADGATE_CONFIG", str(file))
    with pytest.raises(HeadgateError, match="already"):
        CliRunner().invoke(keys.app, ["create", "ci"], catch_exceptions=False)
    monkeypatch.setenv("HEADGATE_DATA", f"{tmp_path}/from-environment")
    create()
    run("create", "ci")
    for folder in ("from-file", "from-environment", data.name):
        assert len(records(tmp_path / folder)) == 1


def test_a_wrong_configuration_is_reported(run: Keys, tmp_path: Path) -> None:
    file = tmp_path / "headgate.toml"
    file.write_text("dta = 'x'")
    with pytest.raises(ConfigError, match="dta: no such setting"):
        run("list", "--config", str(file))
