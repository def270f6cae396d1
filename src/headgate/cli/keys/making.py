"""``headgate keys create`` and ``rotate``: the commands that print a secret, once."""

from __future__ import annotations

from typing import Annotated

import typer

from headgate.cli.administering import (
    DataFolder,
    Url,
    administered,
    end_in,
    overlap,
)
from headgate.cli.command import AsJson, Command, ConfigFile
from headgate.cli.identity_tables import in_roles, until
from headgate.cli.keys.options import (
    Description,
    ExpiresIn,
    For,
    NameOrId,
    Narrow,
    RolesByDefault,
)
from headgate.cli.output import document, hand_over, tell
from headgate.errors import HeadgateError
from headgate.identity import BreakGlass, HandOver, Issued, KeyView, NewKey, Rotation
from headgate.identity.documents import key_document, timestamp
from headgate.identity.naming import reference

commands = typer.Typer()


@commands.command(cls=Command)
def create(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="The person or program that the key is for."),
    ] = None,
    principal: For = None,
    expires_in: ExpiresIn = None,
    role: RolesByDefault = None,
    narrow: Narrow = None,
    description: Description = "",
    break_glass: Annotated[
        bool,
        typer.Option(
            "--break-glass",
            help="For an emergency: an administrator's key for an hour, which gates announce.",
        ),
    ] = False,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why --break-glass, for the record.")
    ] = None,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    url: Url = None,
) -> None:
    """Create a key and print it once.

    Only the key is printed to standard output: KEY=$(headgate keys create ci)
    """
    if name is not None:
        reference(name)
    printed = _printed("no key was created", as_json=as_json)
    if break_glass:
        if principal or role or narrow or description:
            raise HeadgateError(
                "a key for an emergency is an administrator's; --for, --role, --narrow and "
                "--description do not go with --break-glass"
            )
        wanted = BreakGlass(reason or "", name=name or "")
        if expires_in is not None:
            wanted = BreakGlass(reason or "", expires_in, name or "")
        with administered(data, config, url, create=True) as client:
            issued = client.create_break_glass(wanted, printed)
        _announce(issued.key)
        return
    if reason is not None:
        raise HeadgateError("--reason goes with --break-glass; to describe a key: --description")
    if name is None:
        raise _NameMissingError("NAME")
    new = NewKey(
        name,
        principal,
        role,
        narrow or (),
        description,
        end_in(expires_in),
        widen_account=principal is None,
    )
    with administered(data, config, url, create=True) as client:
        # Stored only after it was printed: one that was never printed would be valid indefinitely.
        issued = client.create_key(new, printed)
    if not as_json:
        # Standard error often ends up in a log, so the key itself stays off it.
        tell(_guidance(issued))


@commands.command(cls=Command)
def rotate(
    name_or_id: NameOrId,
    after: Annotated[
        float | None,
        typer.Option(
            "--overlap",
            parser=overlap,
            metavar="TIME",
            help="How long the old key is still accepted, such as 12h or 0s.  "
            "[auth.keys.rotation_overlap]",
        ),
    ] = None,
    expires_in: ExpiresIn = None,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    url: Url = None,
) -> None:
    """Replace a key by a new one, and print that once.

    The new key has the old one's name, principal, roles and narrowing.  The old one is accepted
    until the overlap ends, so that programs can change over.
    """
    reference(name_or_id)
    printed = _printed("the key was not rotated", as_json=as_json)
    with administered(data, config, url) as client:
        issued = client.rotate_key(name_or_id, Rotation(end_in(expires_in), after), printed)
    if not as_json:
        tell(_guidance(issued))


class _NameMissingError(typer.BadParameter):
    """Said as of any other argument, though one kind of key needs no name."""

    def format_message(self) -> str:
        return f"Missing argument '{self.message}'."


def _printed(instead: str, *, as_json: bool) -> HandOver:
    """Prints a new key, before it is stored."""

    def give(key: KeyView, secret: str) -> None:
        shown = document({"key": key_document(key), "secret": secret}) if as_json else secret
        hand_over(shown, instead)

    return give


def _guidance(issued: Issued) -> str:
    key, lines = issued.key, []
    lines.append(f"key '{key.name}' ({key.id}) with {in_roles(key.roles)}, valid {until(key)}")
    if key.principal != key.name:
        lines.append(f"it belongs to '{key.principal}' ({key.principal_id})")
    lines += issued.notes
    old = issued.replaced
    if old is not None:
        lines.append(f"it replaces {old.id}, which is valid until {timestamp(old.expires_at)}")
    lines += [
        "it is shown only once and not stored",
        "for an MLflow client:",
        "  export MLFLOW_TRACKING_TOKEN=<key>",
        "or, if a user name and a password are required:",
        "  export MLFLOW_TRACKING_USERNAME=headgate MLFLOW_TRACKING_PASSWORD=<key>",
    ]
    return "\n".join(lines)


def _announce(key: KeyView) -> None:
    """Say that a key for an emergency was made, for programs too: it is never done silently."""
    tell(
        f"headgate: BREAK-GLASS: created the administrator's key '{key.name}' ({key.id}), valid "
        f"{until(key)}; reason: {key.break_glass}; every gate announces it. When the emergency is "
        f"over: headgate keys revoke {key.id}"
    )
