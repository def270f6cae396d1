"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from headgate.cli.administering import life
from headgate.policy import DEFAULT_ROLES

NameOrId = Annotated[
    str, typer.Argument(metavar="NAME_OR_ID", help="The key's name, or its id (k_...).")
]
Roles = Annotated[
    list[str],
    typer.Option("--role", metavar="ROLE", help="What it may do; several with several --role."),
]
RolesByDefault = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        metavar="ROLE",
        help=f"What it may do; several with several --role.  [{' and '.join(DEFAULT_ROLES)}, or "
        "what its principal may]",
    ),
]
For = Annotated[
    str | None,
    typer.Option(
        "--for",
        metavar="PRINCIPAL",
        help="Whose it is, by name or id.  [the service account NAME, which is made if need be]",
    ),
]
Narrow = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GRANT",
        help="Hold it to this, such as 'read:runs'; several with several --narrow.",
    ),
]
Description = Annotated[str, typer.Option(metavar="TEXT", help="For people.")]
ExpiresIn = Annotated[
    float | None,
    typer.Option(
        parser=life, metavar="TIME", help="Such as 12h or 90d, or never.  [auth.keys.default_life]"
    ),
]
