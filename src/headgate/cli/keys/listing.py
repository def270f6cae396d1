"""``headgate keys list`` and ``show``."""

from __future__ import annotations

from typing import Annotated

import typer

from headgate.cli.administering import DataFolder, Url, administered, span
from headgate.cli.command import AsJson, Command, ConfigFile
from headgate.cli.identity_tables import key_lines, print_keys
from headgate.cli.keys.options import NameOrId
from headgate.cli.output import document, tell
from headgate.identity import KeyFilter
from headgate.identity.documents import key_document
from headgate.identity.naming import reference

commands = typer.Typer()


@commands.command("list", cls=Command)
def list_(
    principal: Annotated[
        str | None,
        typer.Option(metavar="PRINCIPAL", help="Only those of this principal, by name or id."),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(metavar="STATE", help="Only active, disabled, expired or revoked ones."),
    ] = None,
    expiring_within: Annotated[
        float | None,
        typer.Option(parser=span, metavar="TIME", help="Only those that end within, such as 14d."),
    ] = None,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    url: Url = None,
) -> None:
    """List all keys, including revoked ones, without their secrets.

    The secrets are not stored.  With --json `unreadable` names rows that cannot be read.
    """
    wanted = KeyFilter(principal, state, expiring_within)
    with administered(data, config, url) as client:
        found = client.keys(wanted)
    for row in found.unreadable:
        tell(f"headgate: a key cannot be read and is skipped, {row}")
    if as_json:
        keys = [key_document(each) for each in found.keys]
        print(document({"keys": keys, "unreadable": list(found.unreadable)}))
    elif found.keys:
        print_keys(found.keys)
    elif wanted == KeyFilter():
        tell("there are no keys; create one with: headgate keys create NAME")
    else:
        tell("there are no such keys")


@commands.command(cls=Command)
def show(
    name_or_id: NameOrId,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    url: Url = None,
) -> None:
    """Show all that is known of a key, and what it may do."""
    reference(name_or_id)
    with administered(data, config, url) as client:
        key = client.key(name_or_id)
    if as_json:
        print(document({"key": key_document(key)}))
    else:
        for line in key_lines(key):
            print(line)
