"""``headgate db``: the schema of the key store, and whether the store can be used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from headgate.cli.administering import DataFolder
from headgate.cli.command import AsJson, Command, ConfigFile
from headgate.cli.output import document, tell
from headgate.config import Config, load
from headgate.errors import HeadgateError
from headgate.stores import (
    identity_store_location,
    identity_store_warnings,
    inspect_identity_store,
    upgrade_identity_store,
)

if TYPE_CHECKING:
    from headgate.stores.sql.inspection import StoreReport

EXIT_NEEDS_UPGRADE = 1

app = typer.Typer(
    help="Upgrade the key store's schema, and check that the store can be used.",
    invoke_without_command=True,
)


@app.callback()
def _db(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command(cls=Command)
def upgrade(config: ConfigFile = None, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Upgrade the key store to this version, or make it.

    Gates of the version before go on. Several may run this concurrently: one does the work.
    """
    settings = _settings(config, data)
    found, before = upgrade_identity_store(settings)
    if as_json:
        print(document({"schema_before": before, **_facts(found)}))
    elif before == 0:
        print(f"{found.location}: made, with schema {found.schema.schema}")
    elif before == found.schema.schema:
        print(f"{found.location}: has schema {before} already")
    else:
        print(f"{found.location}: upgraded from schema {before} to {found.schema.schema}")


@app.command(cls=Command)
def current(config: ConfigFile = None, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Show which schema the key store has."""
    settings = _settings(config, data)
    found = _found(settings)
    if as_json:
        print(document(_facts(found)))
        return
    _print(found)


@app.command(cls=Command)
def check(config: ConfigFile = None, data: DataFolder = None, as_json: AsJson = False) -> None:
    """Check connection, schema and writing of the store.

    Exit code 0: they can; 1: they can, and an upgrade is due; 2: they cannot.
    """
    settings = _settings(config, data)
    warnings = identity_store_warnings(settings)
    for warning in warnings:
        tell(f"headgate: warning: {warning}")
    found = _found(settings, writable=True)
    if settings.auth.has_shared_store:
        found.schema.require_fit(found.location)
    is_current = found.schema.is_current
    if as_json:
        print(document({"warnings": warnings, **_facts(found)}, ok=is_current))
    else:
        _print(found)
        print(f"{'writable':<11} {'yes' if is_current else 'not tried before the upgrade'}")
        if not is_current:
            print("upgrade     due: 'headgate db upgrade', or the start of a gate, will do it")
    if not is_current:
        raise typer.Exit(EXIT_NEEDS_UPGRADE)


def _settings(config: Path | None, data: Path | None) -> Config:
    return load(config, os.environ, {"data": data})


def _found(settings: Config, *, writable: bool = False) -> StoreReport:
    found = inspect_identity_store(settings, writable=writable)
    if found is None:
        raise HeadgateError(
            f"there is no key store at {identity_store_location(settings)}; make it with 'headgate "
            "db upgrade' or with the first key, or name the right folder with --data"
        )
    return found


def _facts(found: StoreReport) -> dict[str, object]:
    from headgate.stores.sql.schema import KNOWN_SCHEMA, NEEDED_SCHEMA  # noqa: PLC0415

    return {
        "location": found.location,
        "database": found.database,
        "connection": found.connection,
        "schema": found.schema.schema,
        "serves_from": found.schema.serves_from or None,
        "schema_known": KNOWN_SCHEMA,
        "schema_needed": NEEDED_SCHEMA,
        "store_id": found.store_id or None,
        "changes": found.changes,
        "principals": found.principals,
        "keys": found.keys,
    }


def _print(found: StoreReport) -> None:
    from headgate.stores.sql.schema import KNOWN_SCHEMA  # noqa: PLC0415

    schema = found.schema
    serves = f", serves Headgate from schema {schema.serves_from}" if schema.serves_from else ""
    held = f"{found.principals} principals, {found.keys} keys, {found.changes} changes so far"
    for name, value in (
        ("store", found.location),
        ("database", f"{found.database}: {found.connection}"),
        ("schema", f"{schema.schema or 'none'}{serves}; this Headgate makes {KNOWN_SCHEMA}"),
        *((("id", found.store_id), ("content", held)) if found.store_id else ()),
    ):
        print(f"{name:<11} {value}")
