"""How the commands on ECS print what they found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headgate.deploy.ecs.diff import Difference

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; no cell is cut or wrapped where the output is no terminal."""
    from rich import box  # noqa: PLC0415 - imported when something is printed
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD)
    for title in head:
        table.add_column(title, overflow="fold")
    lines = [[*map(_plain, row)] for row in rows]
    for line in lines:
        table.add_row(*line)
    console = Console(markup=False, highlight=False, emoji=False)
    if console.is_terminal:
        console.print(table)
    else:
        _print_plain([list(head), *lines])


def _print_plain(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print()
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print(f"  {'  '.join(cells)}".rstrip())
    print()


def _plain(text: str) -> str:
    return " ".join(text.split()) if text else "-"


def ago(at: float, now: float) -> str:
    """How long ago a time was, in its largest unit."""
    seconds = max(0.0, now - at)
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return "now"


def said_of(difference: Difference, first: str, second: str) -> str:
    """A difference in a line.

    Args:
        difference: already without secrets.
        first: what the revision of ``before`` is called.
        second: likewise of ``after``.
    """
    if difference.before is None:
        return f"{difference.path}: only in {second} ({difference.after})"
    if difference.after is None:
        return f"{difference.path}: only in {first} ({difference.before})"
    return f"{difference.path}: {difference.before} → {difference.after}"
