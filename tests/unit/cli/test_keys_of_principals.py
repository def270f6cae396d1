"""``headgate keys`` with owners, rotation, narrowing, ends and emergencies, as users see it."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headgate.auth.keys.form import KeyForm, digest, form_of
from headgate.config import Config
from headgate.errors import ConfigError, HeadgateError
from headgate.stores import open_identity_store
from headgate.stores.records import KeyUse
from tests.support.commands import Commands
from tests.support.keys import stored_keys

DAY = 86_400


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_key_for_a_principal(headgate: Commands) -> None:
    headgate.principals("create", "ada", "--kind", "person", "--role", "viewer")
    created = headgate.keys("create", "ada's laptop", "--for", "ada", "--description", "14 inch")
    assert form_of(created.stdout.removesuffix("\n")) is KeyForm.WELL_FORMED
    assert "with role viewer, valid until it is revoked\nit belongs to 'ada' (p_" in created.stderr
    key = headgate.document("keys", "show", "ada's laptop")["key"]
    assert (key["principal"]["name"], key["description"]) == ("ada", "14 inch")
    with pytest.raises(HeadgateError, match=r"'ada' .* may not do write:"):
        headgate.keys("create", "desk", "--for", "ada", "--role", "writer")
    with pytest.raises(HeadgateError, match="no principal has the name 'adda'; did you mean"):
        headgate.keys("create", "desk", "--for", "adda")


def test_the_service_account_that_is_made_is_named(headgate: Commands) -> None:
    created = headgate.keys("create", "ci")
    assert re.search(r"\nmade the service account 'ci' \(p_\w{8}\)\n", created.stderr)
    assert "service account" not in headgate.keys("create", "b", "--for", "ci").stderr


def test_wider_roles_widen_the_account_of_one_key(headgate: Commands) -> None:
    headgate.keys("create", "ci", "--role", "viewer")
    changed = headgate.keys("set-roles", "ci", "--role", "writer", "--role", "llm-user")
    first, second = changed.stderr.splitlines()
    assert first.endswith("now has roles writer, llm-user")
    assert re.fullmatch(
        r"its service account 'ci' \(p_\w{8}\) now has writer, llm-user, viewer too", second
    )


def test_a_rotated_key_is_printed_alone_on_standard_output(headgate: Commands) -> None:
    old = headgate.document("keys", "create", "ci", "--narrow", "read:runs")["key"]
    before = time.time()
    rotated = headgate.keys("rotate", "ci", "--overlap", "1h", "--expires-in", "30d")
    secret = rotated.stdout.removesuffix("\n")
    assert form_of(secret) is KeyForm.WELL_FORMED
    assert secret not in rotated.stderr
    assert f"it replaces {old['id']}, which is valid until 20" in rotated.stderr
    first, second = headgate.document("keys", "list")["keys"]
    assert (first["replaced_by"], second["replaces"]) == (second["id"], first["id"])
    assert stamp(before + 3_600) <= first["expires_at"] <= stamp(time.time() + 3_600)
    assert stamp(before + 30 * DAY) <= second["expires_at"]
    assert second["narrowing"] == ["read:runs"]
    assert stored_keys(headgate.data)[1].digest == digest(secret)
    with pytest.raises(HeadgateError, match="rotate that one"):
        headgate.keys("rotate", old["id"])


def test_rotation_for_programs_and_without_overlap(headgate: Commands) -> None:
    headgate.keys("create", "ci")
    rotated = headgate.document("keys", "rotate", "ci", "--overlap", "0s")
    assert form_of(rotated["secret"]) is KeyForm.WELL_FORMED
    states = [each["state"] for each in headgate.document("keys", "list")["keys"]]
    assert states == ["expired", "active"]
    assert headgate.keys("rotate", "ci", "--overlap", "-1s").exit_code == 2


def test_revoking_a_rotated_key_names_the_one_that_is_still_valid(headgate: Commands) -> None:
    old = headgate.document("keys", "create", "ci")["key"]["id"]
    headgate.keys("rotate", "ci")
    revoked = headgate.keys("revoke", "ci")
    assert "is still valid, until 20" in revoked.stderr
    assert f"to revoke it too: headgate keys revoke {old}\n" in revoked.stderr
    assert "still valid" not in headgate.keys("revoke", old).stderr


def test_a_narrowing_is_set_and_taken_off(headgate: Commands) -> None:
    headgate.keys("create", "ci")
    held = headgate.keys("set", "ci", "--narrow", "read:runs", "--narrow", "read:metrics")
    assert held.stderr.endswith("is narrowed to read:runs, read:metrics\n")
    assert headgate.document("keys", "show", "ci")["key"]["grants"] == ["read:runs", "read:metrics"]
    described = headgate.keys("set", "ci", "--description", "nightly")
    assert described.stderr.endswith("was changed, and is narrowed to read:runs, read:metrics\n")
    assert headgate.keys("set", "ci", "--no-narrowing").stderr.endswith("is not narrowed\n")
    for arguments, why in (
        (("--narrow", "raed:runs"), "did you mean 'read'"),
        (("--narrow", "administer:gate"), "leaves the key nothing"),
        (("--narrow", "read:runs", "--no-narrowing"), "exclude each other"),
        ((), "nothing to change"),
    ):
        with pytest.raises(HeadgateError, match=why):
            headgate.keys("set", "ci", *arguments)


def test_the_end_of_a_key_is_moved(headgate: Commands) -> None:
    headgate.keys("create", "ci")
    within = headgate.keys("expire", "ci", "--in", "30d")
    assert re.search(r"the key 'ci' \(k_\w{8}\) is valid until 20\S+Z\n", within.stderr)
    end = stamp(time.time() + 5 * DAY)
    assert headgate.document("keys", "expire", "ci", "--at", end)["key"]["expires_at"] == end
    never = headgate.keys("expire", "ci", "--never")
    assert never.stderr.endswith("is valid until it is revoked\n")
    for arguments, why in (
        ((), "Give one of --in, --at and --never"),
        (("--in", "1d", "--never"), "Give one of"),
        (("--at", "tomorrow"), "'tomorrow' is not a time such as"),
        (("--at", "2027-01-31T12:00:00"), "is not a time such as"),
        (("--at", "2020-01-31T12:00:00Z"), "lies in the past"),
    ):
        with pytest.raises(HeadgateError, match=why):
            headgate.keys("expire", "ci", *arguments)


def test_rules_of_the_configuration_hold(headgate: Commands, tmp_path: Path) -> None:
    file = tmp_path / "headgate.toml"
    file.write_text("[auth.keys]\ndefault_life = 86400\nmaximum_life = 864000\n")
    before = time.time()
    created = headgate.document("keys", "create", "ci", "--config", str(file))
    assert created["key"]["expires_at"] >= stamp(before + DAY)
    for life in ("11d", "never"):
        with pytest.raises(HeadgateError, match="a key lives at most 10 days here"):
            headgate.keys("create", "b", "--expires-in", life, "--config", str(file))


def test_a_key_for_an_emergency_is_announced_loudly(headgate: Commands) -> None:
    headgate.keys("create", "ci")
    made = headgate.keys("create", "--break-glass", "--reason", "the issuer is down")
    assert form_of(made.stdout.removesuffix("\n")) is KeyForm.WELL_FORMED
    assert re.search(
        r"^headgate: BREAK-GLASS: created the administrator's key 'break-glass-\w{8}' \(k_\w{8}\), "
        r"valid until \S+Z; reason: the issuer is down; ",
        made.stderr,
        re.MULTILINE,
    )
    again = headgate.run(
        "keys", "create", "night", "--break-glass", "--reason", "x", "--expires-in", "24h", "--json"
    )
    assert "BREAK-GLASS" in again.stderr  # for programs too
    key = headgate.document("keys", "show", "night")["key"]
    assert (key["break_glass"], key["grants"], key["roles"]) == ("x", ["*:*"], ["admin"])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--break-glass"], "needs a reason"),
        (["--break-glass", "--reason", " "], "needs a reason"),
        (["--break-glass", "--reason", "x", "--expires-in", "25h"], "at most 1 day"),
        (["--break-glass", "--reason", "x", "--expires-in", "never"], "at most 1 day"),
        (["--break-glass", "--reason", "x", "--role", "viewer"], "do not go with --break-glass"),
        (["ci", "--reason", "x"], "--reason goes with --break-glass"),
    ],
)
def test_what_is_no_emergency(headgate: Commands, arguments: list[str], why: str) -> None:
    with pytest.raises(HeadgateError, match=why):
        headgate.keys("create", *arguments)


def use(headgate: Commands, name: str) -> None:
    with open_identity_store(Config(data=headgate.data)) as store:
        with store.reading() as reading:
            key = reading.key(name)
        assert key is not None
        store.record_uses([KeyUse(getattr(key, "id", ""), 0, "2001:db8::1")])


def test_lists_are_narrowed(headgate: Commands) -> None:
    headgate.keys("create", "a", "--expires-in", "1d")
    headgate.keys("create", "b", "--expires-in", "30d")
    headgate.keys("create", "c")
    headgate.keys("revoke", "c")

    def names(*arguments: str) -> list[str]:
        return [each["name"] for each in headgate.document("keys", "list", *arguments)["keys"]]

    assert names("--principal", "a") == ["a"]
    assert names("--state", "revoked") == ["c"]
    assert names("--expiring-within", "7d") == ["a"]
    assert names("--expiring-within", "7d", "--principal", "b") == []
    assert headgate.keys("list", "--state", "disabled").stderr == "there are no such keys\n"
    with pytest.raises(HeadgateError, match="not 'dead'"):
        names("--state", "dead")


@pytest.mark.parametrize("columns", [30, 72, 80, 124, 200])
def test_tables_fit_the_terminal_and_have_everything(
    headgate: Commands, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    headgate.principals("create", "ada", "--kind", "person", "--role", "writer")
    headgate.keys("create", "[b]pc", "--for", "ada", "--narrow", "read:runs")
    headgate.keys("rotate", "[b]pc")
    use(headgate, "[b]pc")
    headgate.principals("disable", "ada")
    shown = headgate.keys("list").stdout
    assert max(map(len, shown.splitlines())) <= columns
    words = " ".join(shown.split())
    for expected in ("[b]pc", "ada", "writer", "disabled", "1970-01-01 00:00Z", "narrowed"):
        assert expected in words
    if columns >= 124:
        assert "2001:db8::1" in words


def test_show_says_all_that_is_known(headgate: Commands) -> None:
    headgate.keys("create", "ci", "--role", "llm-user", "--description", "the pipeline")
    use(headgate, "ci")
    lines = headgate.keys("show", "ci").stdout.splitlines()
    facts = {line[:12].strip(): line[13:] for line in lines if line[:12].strip()}
    assert re.fullmatch(r"ci \(k_\w{8}\)", facts["key"])
    assert re.fullmatch(r"ci \(p_\w{8}\)", facts["principal"])
    assert (facts["state"], facts["roles"]) == ("active", "llm-user")
    assert facts["description"] == "the pipeline"
    assert facts["last used"] == "1970-01-01 00:00Z from 2001:db8::1"
    assert facts["made"].endswith(" by cli")
    assert [line.split()[-1] for line in lines if "ai-gateway" in line] == [
        "read:ai-gateway",
        "write:ai-gateway",
    ]


def test_a_digest_is_never_shown(headgate: Commands) -> None:
    secret = headgate.keys("create", "ci").stdout.strip()
    for arguments in (("show", "ci"), ("show", "ci", "--json"), ("list", "--json")):
        shown = headgate.keys(*arguments).output
        assert secret not in shown
        assert digest(secret).hex() not in shown


# Import.


def sha256(number: int) -> str:
    return digest(f"hg_{number}").hex()


@pytest.mark.parametrize(
    "typed",
    [
        sha256(1),
        f"{sha256(1).upper()}\n",
        f"sha256:{sha256(1)}\n",
        f"{sha256(1)}  -\n",  # as sha256sum prints it
    ],
)
def test_one_key_is_imported_from_standard_input(headgate: Commands, typed: str) -> None:
    imported = headgate.keys("import", "ci", "--role", "viewer", typed=typed)
    assert imported.stdout == ""
    assert re.fullmatch(
        r"imported the key 'ci' \(k_\w{8}\) of 'ci' with role viewer, valid until it is revoked\n",
        imported.stderr.splitlines(keepends=True)[-1],
    )
    assert stored_keys(headgate.data)[0].digest.hex() == sha256(1)


def test_a_key_itself_is_imported_too(headgate: Commands, tmp_path: Path) -> None:
    secret = headgate.keys("create", "here").stdout.strip()
    with pytest.raises(HeadgateError, match="the key is there already: 'here'") as caught:
        headgate.keys("import", "again", typed=secret)
    assert secret not in str(caught.value)
    file = tmp_path / "secret"
    other = "hg_1CqEdyJrCG9vk4VYwFQmOc5hY4mX9rMfmDW1ZvR7Pkq1pVWkA"
    file.write_text(other)
    with pytest.raises(HeadgateError, match="no complete key") as caught:
        headgate.keys("import", "other", "--file", str(file))
    assert other not in str(caught.value)


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", "expected the SHA-256"),
        ("0" * 63, "expected the SHA-256"),
        ("0" * 64, "of an example"),
        (digest("changeme").hex(), "of an example"),
        ("a secret of mine", "expected the SHA-256"),
        (b"\xff\xfe", "no text in UTF-8"),
    ],
)
def test_what_is_no_key_is_not_imported(headgate: Commands, typed: str | bytes, why: str) -> None:
    with pytest.raises(HeadgateError, match=why) as caught:
        headgate.keys("import", "ci", typed=typed)
    assert "secret of mine" not in str(caught.value)


def test_many_are_imported_as_json_lines(headgate: Commands) -> None:
    headgate.principals("create", "ada", "--role", "writer")
    lines = (
        f'{{"name": "a", "sha256": "{sha256(1)}"}}\n\n'
        f'{{"name": "b", "sha256": "{sha256(2)}", "principal": "ada", "roles": ["viewer"], '
        f'"narrowing": ["read:runs"], "description": "old", "expires_at": "2126-01-01T00:00:00Z"}}'
    )
    assert headgate.keys("import", typed=lines).stderr.count("imported the key") == 2
    a, b = headgate.document("keys", "list")["keys"]
    assert (a["name"], a["principal"]["name"], a["roles"]) == ("a", "a", ["writer", "publisher"])
    assert (b["principal"]["name"], b["narrowing"], b["description"]) == (
        "ada",
        ["read:runs"],
        "old",
    )
    assert b["expires_at"] == "2126-01-01T00:00:00Z"


def test_every_line_that_is_wrong_is_named_and_nothing_is_imported(headgate: Commands) -> None:
    headgate.keys("create", "ci")
    wrong = {
        1: "not json",
        2: "[]",
        3: f'{{"name": "a", "sha256": "{sha256(1)}", "rolls": []}}',
        4: '{"name": "a"}',
        5: f'{{"sha256": "{sha256(1)}"}}',
        6: f'{{"name": "a", "name": "b", "sha256": "{sha256(1)}"}}',
        7: f'{{"name": "a", "sha256": "{sha256(1)}", "roles": "viewer"}}',
        8: f'{{"name": "a", "sha256": "{sha256(1)}", "expires_at": "soon"}}',
        9: '{"name": "a", "key": "hg_mistyped"}',
        10: f'{{"name": 7, "sha256": "{sha256(1)}"}}',
        11: "[" * 100_000,
    }
    with pytest.raises(ConfigError) as caught:
        headgate.keys("import", typed="\n".join(wrong.values()))
    assert [each.path for each in caught.value.problems] == [f"line {number}" for number in wrong]
    by_rules = "\n".join(
        (
            f'{{"name": "a", "sha256": "{sha256(1)}"}}',
            "",
            f'{{"name": "ci", "sha256": "{sha256(2)}"}}',
            f'{{"name": "b", "sha256": "{sha256(1)}"}}',
            f'{{"name": "c", "sha256": "{sha256(3)}", "roles": ["wrtier"]}}',
        )
    )
    with pytest.raises(ConfigError) as caught:
        headgate.keys("import", typed=by_rules)
    assert [each.path for each in caught.value.problems] == ["line 3", "line 4", "line 5"]
    assert [each.name for each in stored_keys(headgate.data)] == ["ci"]


@pytest.mark.parametrize("field", ["principal", "name", "roles", "narrowing", "description", ""])
def test_a_key_in_the_wrong_field_is_not_repeated(headgate: Commands, field: str) -> None:
    secret = headgate.keys("create", "ci").stdout.strip()
    value = [secret] if field in {"roles", "narrowing"} else secret
    fields = {"name": "a", "sha256": sha256(1)} | ({field: value} if field else {secret: "x"})
    with pytest.raises(ConfigError) as caught:
        headgate.keys("import", typed=json.dumps(fields))
    assert secret[:20] not in str(caught.value)


def test_imports_that_make_no_sense(headgate: Commands) -> None:
    with pytest.raises(HeadgateError, match="each line of the input says"):
        headgate.keys("import", "--role", "viewer", typed="")
    with pytest.raises(HeadgateError, match="the input is empty"):
        headgate.keys("import", typed="\n\n")
    with pytest.raises(HeadgateError, match=r"cannot read .*nowhere"):
        headgate.keys("import", "ci", "--file", "nowhere")
    with pytest.raises(HeadgateError, match="longer than 16 MiB"):
        headgate.keys("import", typed=b" " * (16 * 1024 * 1024 + 1))


@pytest.mark.parametrize(
    "command",
    [["rotate"], ["show"], ["expire", "--in", "1d"], ["set", "--no-narrowing"], ["import"]],
)
def test_a_key_in_the_place_of_a_name_is_not_repeated(
    headgate: Commands, command: list[str]
) -> None:
    secret = headgate.keys("create", "ci").stdout.strip()
    with pytest.raises(HeadgateError, match="that is a key itself") as caught:
        headgate.keys(*command, secret)
    assert secret not in str(caught.value)
