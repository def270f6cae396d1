"""``headgate keys revoke``, ``expire``, ``set-roles`` and ``set``."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from headgate.cli.administering import DataFolder, Url, administered, end_in, span
from headgate.cli.command import AsJson, Command, ConfigFile
from headgate.cli.identity_tables import in_roles, until
from headgate.cli.keys.options import NameOrId, Roles
from headgate.cli.output import document, tell
from headgate.errors import HeadgateError
from headgate.identity import Changed, KeyChange
from headgate.identity.documents import key_document, seconds, timestamp
from headgate.identity.naming import reference

commands = typer.Typer()


@commands.command("set-roles", cls=Command)
def set_roles(
    name_or_id: NameOrId,
    role: Roles,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    url: Url = None,
) -> None:
    """Replace the roles of a key.

    They are given to its service account too, if that was made with the key and has no others.
    """
    reference(name_or_id)
    with administered(data, config, url) as client:
        changed = client.change_key(name_or_id, KeyChange(role, widen_account=True))
    _tell(changed, f"now has {in_roles(changed.key.roles)}", as_json=as_json)


@commands.command("set", cls=Command)
def set_(
    name_or_id: NameOrId,
    narrow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GRANT",
            help="Hold it to this, such as 'read:runs'; several with several --narrow.",
        ),
    ] = None,
    no_narrowing: Annotated[
        bool, typer.Option("--no-narrowing", help="Let it do again all that its roles allow.")
    ] = False,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="For people.")] = None,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    url: Url = None,
) -> None:
    """Replace the narrowing or the description of a key."""
    reference(name_or_id)
    if narrow and no_narrowing:
        raise HeadgateError("--narrow and --no-narrowing exclude each other; give one of them")
    narrowing = [] if no_narrowing else narrow or None
    if narrowing is None and description is None:
        raise HeadgateError("nothing to change; give --narrow, --no-narrowing or --description")
    with administered(data, config, url) as client:
        changed = client.change_key(name_or_id, KeyChange(None, narrowing, description))
    held = ", ".join(changed.key.narrowing)
    said = f"is narrowed to {held}" if held else "is not narrowed"
    _tell(changed, said if description is None else f"was changed, and {said}", as_json=as_json)


@commands.command(cls=Command)
def revoke(
    name_or_id: NameOrId,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    url: Url = None,
) -> None:
    """Revoke a key; running gates refuse it within 2 seconds.

    Revoking a revoked key changes nothing and is not an error.
    """
    reference(name_or_id)
    with administered(data, config, url) as client:
        revoked = client.revoke_key(name_or_id)
    key = revoked.key
    if as_json:
        print(document({"key": key_document(key), "was_revoked": revoked.was_revoked}))
    elif revoked.was_revoked:
        when = timestamp(key.revoked_at)
        tell(f"the key '{key.name}' ({key.id}) was already revoked, at {when}")
    else:
        tell(f"revoked the key '{key.name}' ({key.id})")
    for other in revoked.still_active:
        tell(
            f"headgate: another key of that name is still valid, {until(other)}; to revoke it too: "
            f"headgate keys revoke {other.id}"
        )


@commands.command(cls=Command)
def expire(
    name_or_id: NameOrId,
    within: Annotated[
        float | None,
        typer.Option("--in", parser=span, metavar="TIME", help="From now, such as 12h or 90d."),
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="Such as 2027-01-31T12:00:00Z.")
    ] = None,
    never: Annotated[
        bool, typer.Option("--never", help="Take its end away, where the rules allow it.")
    ] = False,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    url: Url = None,
) -> None:
    """Change when a key expires.

    Its end can be brought forward, and put off within auth.keys.maximum_life.
    """
    reference(name_or_id)
    if sum((within is not None, at is not None, never)) != 1:
        raise HeadgateError("when is the key to end? Give one of --in, --at and --never")
    end = math.inf if never else end_in(within)
    if at is not None:
        end = _time(at)
    assert end is not None  # noqa: S101 - one of the three was given
    with administered(data, config, url) as client:
        key = client.expire_key(name_or_id, end)
    if as_json:
        print(document({"key": key_document(key)}))
    else:
        tell(f"the key '{key.name}' ({key.id}) is valid {until(key)}")


def _time(text: str) -> float:
    try:
        found = seconds(text)
    except ValueError:
        found = None
    if found is None:
        raise HeadgateError(f"{text!r} is not a time such as 2027-01-31T12:00:00Z")
    return float(found)


def _tell(changed: Changed, what: str, *, as_json: bool) -> None:
    key = changed.key
    if as_json:
        print(document({"key": key_document(key)}))
        return
    tell(f"the key '{key.name}' ({key.id}) {what}")
    for note in changed.notes:
        tell(note)
