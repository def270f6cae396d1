"""``headgate keys``: create, list, change and revoke API keys."""

# ruff: noqa: PLC0415 - `headgate --help` must not import what only a running command needs
from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headgate.cli.check import ConfigFile
from headgate.cli.command import AsJson, Command
from headgate.cli.output import document, hand_over, tell
from headgate.errors import HeadgateError
from headgate.policy import DEFAULT_ROLES, Roles
from headgate.policy.phrases import did_you_mean

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from headgate.config import Config
    from headgate.stores import KeyRecord

app = typer.Typer(
    help="Create, list, change and revoke API keys.  Running gates follow within 2 seconds.",
    invoke_without_command=True,
)

DataFolder = Annotated[
    Path | None,
    typer.Option("--data", metavar="FOLDER", help="Folder of the key store.  [headgate-data]"),
]
NameOrId = Annotated[
    str, typer.Argument(metavar="NAME_OR_ID", help="The key's name, or its id (k_...).")
]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
TABLE_WIDTH = 72
"""Columns that the table of keys needs; with fewer, each key is printed on separate lines."""
_LONGEST = 100 * 365 * 86_400


def _seconds(text: str) -> int:
    """Read ``90d`` and the like."""
    match = re.fullmatch(r"([0-9]{1,12})([smhdw])", text)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= _LONGEST:
        raise typer.BadParameter(
            f"{text!r} is not a time such as 12h, 90d or 52w (units s, m, h, d, w; "
            "at most 100 years)"
        )
    return seconds


@app.callback()
def _keys(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command(cls=Command)
def create(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The person or program that the key is for.")
    ],
    expires_in: Annotated[
        int | None,
        typer.Option(parser=_seconds, metavar="TIME", help="Such as 12h or 90d.  [never]"),
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE",
            help=f"What it may do; several with several --role.  [{' and '.join(DEFAULT_ROLES)}]",
        ),
    ] = None,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
) -> None:
    """Create a key and print it once.

    Only the key is printed to standard output: KEY=$(headgate keys create ci)
    """
    from headgate.auth.keys.issuing import issue
    from headgate.stores import open_key_store

    _refuse_secret(name)
    settings = _settings(data, config)
    roles = _existing(role or DEFAULT_ROLES, settings)
    now = time.time()
    end = None if expires_in is None else now + expires_in
    with open_key_store(settings) as store:
        if store.is_new:
            tell(
                f"headgate: created a new key store, {store.location}; if there was one before, "
                "its keys no longer work: restore a backup of it"
            )
        # Stored only after it was printed: one that was never printed would be valid indefinitely.
        record, _ = issue(
            store,
            name,
            now,
            end,
            roles,
            hand_over=lambda record, secret: hand_over(
                _document(record, now, secret=secret) if as_json else secret, "no key was created"
            ),
        )
    if not as_json:
        # Standard error often ends up in a log, so the key itself stays off it.
        tell(_guidance(record))


@app.command("list", cls=Command)
def list_(
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
) -> None:
    """List all keys, including revoked ones, without their secrets.

    The secrets are not stored.  With --json `unreadable` names rows that cannot be read.
    """
    from rich.console import Console

    from headgate.stores import open_key_store

    now = time.time()
    with open_key_store(_settings(data, config), create=False) as store:
        snapshot = store.snapshot()
    records = snapshot.records
    for row in snapshot.unreadable:
        tell(f"headgate: a key cannot be read and is skipped, {row}")
    if as_json:
        found = [_public(record, now) for record in records]
        print(document({"keys": found, "unreadable": [str(row) for row in snapshot.unreadable]}))
    elif records:
        console = Console()
        if console.width >= TABLE_WIDTH:
            console.print(_table(records, now))
        else:
            for line in _narrow(records, now):
                console.print(line)
    else:
        tell("there are no keys; create one with: headgate keys create NAME")


@app.command("set-roles", cls=Command)
def set_roles(
    name_or_id: NameOrId,
    role: Annotated[
        list[str],
        typer.Option(metavar="ROLE", help="What it may do; several with several --role."),
    ],
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
) -> None:
    """Replace the roles of a key."""
    from headgate.stores import open_key_store

    _refuse_secret(name_or_id)
    settings = _settings(data, config)
    roles = _existing(role, settings)
    with open_key_store(settings, create=False) as store:
        record = store.set_roles(name_or_id, roles)
    if as_json:
        print(_document(record, time.time()))
    else:
        tell(f"the key '{record.name}' ({record.id}) now has {_roles(record)}")


@app.command(cls=Command)
def revoke(
    name_or_id: NameOrId,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
) -> None:
    """Revoke a key; running gates refuse it within 2 seconds.

    Revoking a revoked key changes nothing and is not an error.
    """
    from headgate.stores import open_key_store

    _refuse_secret(name_or_id)
    with open_key_store(_settings(data, config), create=False) as store:
        before = store.find(name_or_id)
        record = store.revoke(name_or_id, time.time())
    if as_json:
        print(_document(record, time.time(), was_revoked=before.revoked_at is not None))
    elif before.revoked_at is None:
        tell(f"revoked the key '{record.name}' ({record.id})")
    else:
        when = _timestamp(before.revoked_at)
        tell(f"the key '{record.name}' ({record.id}) was already revoked, at {when}")


def _settings(data: Path | None, config: Path | None) -> Config:
    from headgate.config import load

    return load(config, os.environ, {"data": data})


def _existing(roles: Sequence[str], settings: Config) -> Sequence[str]:
    """The roles themselves, all of which the configuration has."""
    known = Roles(settings.roles).names
    for role in roles:
        if role not in known:
            hint = did_you_mean(role, known)
            hint += " " if hint else ""
            raise HeadgateError(
                f"there is no role {role!r}; {hint}the roles are {', '.join(known)}, and those of "
                "the configuration that --config names"
            )
    return roles


def _refuse_secret(name: str) -> None:
    from headgate.auth.keys.form import KeyForm, form_of

    if form_of(name) is not KeyForm.FOREIGN:
        raise HeadgateError(
            "that is a key itself, and may be in the shell's history now; use the key's name or "
            "id, which 'headgate keys list' shows"
        )


def _guidance(record: KeyRecord) -> str:
    end = "until it is revoked"
    if record.expires_at is not None:
        end = f"until {_timestamp(record.expires_at)}"
    return (
        f"key '{record.name}' ({record.id}) with {_roles(record)}, valid {end}\n"
        "it is shown only once and not stored\n"
        "for an MLflow client:\n"
        "  export MLFLOW_TRACKING_TOKEN=<key>\n"
        "or, if a user name and a password are required:\n"
        "  export MLFLOW_TRACKING_USERNAME=headgate MLFLOW_TRACKING_PASSWORD=<key>"
    )


def _roles(record: KeyRecord) -> str:
    if len(record.roles) == 1:
        return f"role {record.roles[0]}"
    return f"roles {', '.join(record.roles)}"


def _public(record: KeyRecord, now: float) -> dict[str, object]:
    return {
        "id": record.id,
        "name": record.name,
        "roles": record.roles,
        "state": record.state(now),
        "created_at": _timestamp(record.created_at),
        "expires_at": _timestamp(record.expires_at),
        "revoked_at": _timestamp(record.revoked_at),
    }


def _document(record: KeyRecord, now: float, **fields: object) -> str:
    return document({"key": _public(record, now), **fields})


def _narrow(records: Sequence[KeyRecord], now: float) -> Iterator[Text]:
    """The same as ``_table`` in a few short lines for each key, for a narrow terminal."""
    from rich.text import Text

    for record in records:
        yield Text.assemble(record.id, "  ", Text(record.name, style="bold"))
        yield Text(f"  {' '.join(record.roles) or 'no roles'}")
        made = _minute(record.created_at)[: len("2026-11-24")]
        yield Text.assemble(f"  made {made}, ", _standing(record, now))


def _table(records: Sequence[KeyRecord], now: float) -> Table:
    from rich import box
    from rich.table import Column, Table
    from rich.text import Text

    table = Table(
        Column("id", no_wrap=True),
        Column("name", overflow="fold"),
        Column("roles", overflow="fold"),
        Column("made", no_wrap=True),
        Column("state", no_wrap=True),
        box=box.SIMPLE_HEAD,
    )
    for record in records:
        # As Text, since a name is never to be read as markup.
        table.add_row(
            record.id,
            Text(record.name),
            Text(" ".join(record.roles)),
            _minute(record.created_at)[: len("2026-11-24")],
            _standing(record, now),
        )
    return table


def _standing(record: KeyRecord, now: float) -> Text:
    from rich.text import Text

    state = record.state(now)
    if record.revoked_at is not None:
        return Text(f"{state} {_minute(record.revoked_at)}", style="red")
    if record.expires_at is None:
        return Text(state, style="green")
    if record.expires_at <= now:
        return Text(f"{state} {_minute(record.expires_at)}", style="yellow")
    return Text(f"until {_minute(record.expires_at)}", style="green")


def _minute(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%MZ")


def _timestamp(seconds: int | None) -> str | None:
    """A time as RFC 3339 writes it, in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
