"""Principals and keys for people: tables in a wide terminal, lines in a narrow one."""

# ruff: noqa: PLC0415 - rich takes a while to import
from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from headgate.identity.documents import timestamp
from headgate.identity.views import KeyView, PrincipalView

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

TABLE_WIDTH = 72
"""Columns that a table needs; with fewer, each row is printed on separate lines."""
WIDE = 124
"""Columns that a table needs in which everything has a column of its own."""
_DAY = len("2026-11-24")
_LABEL = 12  # columns of the names before the values of one principal or key
_STYLES = {"active": "green", "expired": "yellow", "disabled": "yellow", "revoked": "red"}


def print_keys(keys: Sequence[KeyView]) -> None:
    """Print a list of keys, as wide as the terminal."""
    from rich.console import Console

    console = Console()
    if console.width >= WIDE:
        console.print(_wide_keys(keys))
    elif console.width >= TABLE_WIDTH:
        console.print(_keys(keys))
    else:
        _print_lines(console, _narrow_keys(keys))


def print_principals(principals: Sequence[PrincipalView]) -> None:
    """Print a list of principals, as wide as the terminal."""
    from rich.console import Console

    console = Console()
    if console.width >= TABLE_WIDTH:
        console.print(_principals(principals, wide=console.width >= WIDE))
    else:
        _print_lines(console, _narrow_principals(principals))


def key_lines(key: KeyView) -> Iterator[str]:
    """All that is known of a key, a line for each fact."""
    yield _line("key", f"{key.name} ({key.id})")
    yield _line("principal", f"{key.principal} ({key.principal_id})")
    yield _line("state", standing(key))
    yield _line("roles", ", ".join(key.roles) or "none")
    yield from _lines("narrowed to", key.narrowing)
    if key.grants is not None:
        yield from _lines("may", key.grants or ("nothing",))
    if key.description:
        yield _line("description", key.description)
    yield _line("made", f"{minute(key.created_at)} by {key.created_by or 'unknown'}")
    yield _line("last used", _last_use(key))
    if key.replaces:
        yield _line("replaces", key.replaces)
    if key.replaced_by:
        yield _line("replaced by", key.replaced_by)
    if key.break_glass:
        yield _line("break-glass", key.break_glass)


def principal_lines(principal: PrincipalView) -> Iterator[str]:
    """All that is known of a principal, a line for each fact."""
    yield _line("principal", f"{principal.name} ({principal.id})")
    yield _line("kind", principal.kind.value)
    yield _line("state", _principal_standing(principal))
    yield _line("roles", ", ".join(principal.roles) or "none")
    yield _line("active keys", str(principal.active_keys))
    if principal.description:
        yield _line("description", principal.description)
    yield _line("made", f"{minute(principal.created_at)} by {principal.created_by or 'unknown'}")


def standing(key: KeyView) -> str:
    """The state of a key, and since or until when it is."""
    if key.revoked_at is not None:
        return f"revoked {minute(key.revoked_at)}"
    if key.state == "active":
        return "active" if key.expires_at is None else f"until {minute(key.expires_at)}"
    if key.state == "expired" and key.expires_at is not None:
        return f"expired {minute(key.expires_at)}"
    return key.state


def in_roles(roles: Sequence[str]) -> str:
    """Roles in a sentence.

    >>> in_roles(["viewer"])
    'role viewer'
    """
    if not roles:
        return "no role"
    return f"{'role' if len(roles) == 1 else 'roles'} {', '.join(roles)}"


def minute(seconds: int) -> str:
    """A time as a table has it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%MZ")


def _print_lines(console: Console, lines: Iterator[Text]) -> None:
    for line in lines:
        console.print(line)


def _keys(keys: Sequence[KeyView]) -> Table:
    from rich.text import Text

    table = _table("id", "name", "roles", "made", "state")
    for key in keys:
        # As Text, since a name is never to be read as markup.
        name = Text(key.name)
        if key.principal != key.name:
            name.append(f"\nof {key.principal}", style="dim")
        state = _styled(key)
        if key.last_use is not None:
            state.append(f"\nused {minute(key.last_use.at)}", style="dim")
        for note in _notes(key):
            state.append(f"\n{note}", style="dim")
        table.add_row(key.id, name, Text(" ".join(key.roles)), minute(key.created_at)[:_DAY], state)
    return table


def _wide_keys(keys: Sequence[KeyView]) -> Table:
    from rich.text import Text

    table = _table("id", "name", "principal", "roles", "made", "state", "last used", "notes")
    for key in keys:
        use = key.last_use
        table.add_row(
            key.id,
            Text(key.name),
            Text(key.principal),
            Text(" ".join(key.roles)),
            minute(key.created_at)[:_DAY],
            _styled(key),
            Text("" if use is None else f"{minute(use.at)}\nfrom {use.address}"),
            Text("\n".join(_notes(key))),
        )
    return table


def _narrow_keys(keys: Sequence[KeyView]) -> Iterator[Text]:
    """The same as the tables in a few short lines for each key."""
    from rich.text import Text

    for key in keys:
        yield Text.assemble(key.id, "  ", Text(key.name, style="bold"))
        yield Text(f"  {' '.join(key.roles) or 'no roles'}")
        yield Text.assemble(f"  made {minute(key.created_at)[:_DAY]}, ", _styled(key))
        if key.principal != key.name:
            yield Text(f"  of {key.principal}")
        if key.last_use is not None:
            yield Text(f"  used {_last_use(key)}")
        for note in _notes(key):
            yield Text(f"  {note}")


def _principals(principals: Sequence[PrincipalView], *, wide: bool) -> Table:
    from rich.text import Text

    columns = ("id", "name", "kind", "roles", "keys", "state")
    table = _table(*columns, *(("made", "description") if wide else ()))
    for each in principals:
        row: list[Text | str] = [
            each.id,
            Text(each.name),
            each.kind.value,
            Text(" ".join(each.roles)),
            str(each.active_keys),
            _principal_state(each),
        ]
        if wide:
            row += [minute(each.created_at)[:_DAY], Text(each.description)]
        table.add_row(*row)
    return table


def _narrow_principals(principals: Sequence[PrincipalView]) -> Iterator[Text]:
    from rich.text import Text

    for each in principals:
        yield Text.assemble(each.id, "  ", Text(each.name, style="bold"))
        yield Text(f"  {' '.join(each.roles) or 'no roles'}")
        keys = f"{each.active_keys} key" if each.active_keys == 1 else f"{each.active_keys} keys"
        yield Text.assemble(f"  {each.kind.value}, {keys}, ", _principal_state(each))


def _table(*names: str) -> Table:
    from rich import box
    from rich.table import Column, Table

    folded = {"name", "principal", "roles", "description", "last used", "notes"}
    columns = [
        Column(name, overflow="fold") if name in folded else Column(name, no_wrap=True)
        for name in names
    ]
    return Table(*columns, box=box.SIMPLE_HEAD)


def _notes(key: KeyView) -> Iterator[str]:
    if key.narrowing:
        yield "narrowed"
    if key.replaces:
        yield f"replaces {key.replaces}"
    if key.replaced_by:
        yield f"replaced by {key.replaced_by}"
    if key.break_glass:
        yield "break-glass"


def _styled(key: KeyView) -> Text:
    from rich.text import Text

    return Text(standing(key), style=_STYLES.get(key.state, ""))


def _principal_state(principal: PrincipalView) -> Text:
    from rich.text import Text

    disabled = principal.disabled_at is not None
    return Text(_principal_standing(principal), style="yellow" if disabled else "green")


def _principal_standing(principal: PrincipalView) -> str:
    at = principal.disabled_at
    return "active" if at is None else f"disabled {minute(at)[:_DAY]}"


def _last_use(key: KeyView) -> str:
    use = key.last_use
    return "never" if use is None else f"{minute(use.at)} from {use.address}"


def _line(name: str, value: str) -> str:
    return f"{name:<{_LABEL}} {value}"


def _lines(name: str, values: Sequence[str]) -> Iterator[str]:
    for value in values:
        yield _line(name, value)
        name = ""


def until(key: KeyView) -> str:
    """How long a key is valid."""
    return "until it is revoked" if key.expires_at is None else f"until {timestamp(key.expires_at)}"
