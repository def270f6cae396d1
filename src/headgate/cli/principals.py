"""``headgate principals``: people and service accounts, to which keys belong."""

from __future__ import annotations

from typing import Annotated

import typer

from headgate.cli.administering import DataFolder, Url, administered
from headgate.cli.command import AsJson, Command, ConfigFile
from headgate.cli.identity_tables import (
    in_roles,
    principal_lines,
    print_keys,
    print_principals,
)
from headgate.cli.output import document, tell
from headgate.identity import KeyFilter, NewPrincipal, PrincipalChange, PrincipalView
from headgate.identity.documents import key_document, principal_document
from headgate.identity.naming import reference
from headgate.policy import DEFAULT_ROLES
from headgate.stores.records import PrincipalKind

app = typer.Typer(
    help="Create, list, change and disable people and service accounts.  Running gates follow "
    "within 2 seconds.",
    invoke_without_command=True,
)

NameOrId = Annotated[
    str, typer.Argument(metavar="NAME_OR_ID", help="The principal's name, or its id (p_...).")
]


@app.callback()
def _principals(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command(cls=Command)
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    kind: Annotated[
        PrincipalKind, typer.Option(metavar="KIND", help="person or service.")
    ] = PrincipalKind.SERVICE,
    role: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE",
            help="What its keys may do at most; several with several --role.  "
            f"[{' and '.join(DEFAULT_ROLES)}]",
        ),
    ] = None,
    description: Annotated[str, typer.Option(metavar="TEXT", help="For people.")] = "",
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    url: Url = None,
) -> None:
    """Create a person or a service account.

    To give it a key: headgate keys create --for NAME
    """
    reference(name)
    new = NewPrincipal(name, kind, role or DEFAULT_ROLES, description)
    with administered(data, config, url, create=True) as client:
        made = client.create_principal(new)
    _tell(made, f"created, with {in_roles(made.roles)}", as_json=as_json)


@app.command("list", cls=Command)
def list_(
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    url: Url = None,
) -> None:
    """List all people and service accounts, including disabled ones."""
    with administered(data, config, url) as client:
        found = client.principals()
    if as_json:
        print(document({"principals": [principal_document(each) for each in found]}))
    elif found:
        print_principals(found)
    else:
        tell("there are no principals; create one with: headgate principals create NAME")


@app.command(cls=Command)
def show(
    name_or_id: NameOrId,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    url: Url = None,
) -> None:
    """Show a person or service account, and its keys."""
    reference(name_or_id)
    with administered(data, config, url) as client:
        principal = client.principal(name_or_id)
        keys = client.keys(KeyFilter(principal.id)).keys
    if as_json:
        fields = {"principal": principal_document(principal), "keys": [*map(key_document, keys)]}
        print(document(fields))
        return
    for line in principal_lines(principal):
        print(line)
    if keys:
        print_keys(keys)


@app.command("set-roles", cls=Command)
def set_roles(
    name_or_id: NameOrId,
    role: Annotated[
        list[str],
        typer.Option(
            metavar="ROLE", help="What its keys may do at most; several with several --role."
        ),
    ],
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    url: Url = None,
) -> None:
    """Replace the roles of a person or service account.

    Its keys may do no more than these allow.
    """
    reference(name_or_id)
    with administered(data, config, url) as client:
        changed = client.change_principal(name_or_id, PrincipalChange(roles=role))
    _tell(changed, f"now has {in_roles(changed.roles)}", as_json=as_json)


@app.command("set", cls=Command)
def set_(
    name_or_id: NameOrId,
    description: Annotated[str, typer.Option(metavar="TEXT", help="For people.")],
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    url: Url = None,
) -> None:
    """Replace the description of a person or service account."""
    reference(name_or_id)
    with administered(data, config, url) as client:
        changed = client.change_principal(name_or_id, PrincipalChange(description=description))
    _tell(changed, "has another description", as_json=as_json)


@app.command(cls=Command)
def rename(
    name_or_id: NameOrId,
    new_name: Annotated[str, typer.Argument(metavar="NEW_NAME", help="Its name from now on.")],
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    url: Url = None,
) -> None:
    """Give a person or service account another name.

    Its id and its keys stay.
    """
    reference(name_or_id)
    reference(new_name)
    with administered(data, config, url) as client:
        changed = client.change_principal(name_or_id, PrincipalChange(name=new_name))
    _tell(changed, "has this name now", as_json=as_json)


@app.command(cls=Command)
def disable(
    name_or_id: NameOrId,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    url: Url = None,
) -> None:
    """Refuse all keys of a person or service account."""
    reference(name_or_id)
    with administered(data, config, url) as client:
        changed = client.disable_principal(name_or_id)
    count = changed.active_keys
    keys = "key" if count == 1 else f"{count} keys"
    said = f"is disabled; gates refuse its {keys}" if count else "is disabled"
    _tell(changed, said, as_json=as_json)


@app.command(cls=Command)
def enable(
    name_or_id: NameOrId,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    url: Url = None,
) -> None:
    """Accept the keys of a person or service account again."""
    reference(name_or_id)
    with administered(data, config, url) as client:
        changed = client.enable_principal(name_or_id)
    _tell(changed, "is enabled", as_json=as_json)


def _tell(principal: PrincipalView, what: str, *, as_json: bool) -> None:
    if as_json:
        print(document({"principal": principal_document(principal)}))
    else:
        tell(f"the principal '{principal.name}' ({principal.id}) {what}")
