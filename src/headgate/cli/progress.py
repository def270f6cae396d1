"""Shows the progress of what takes long."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

# Seconds between two lines if the output is not a terminal.
PLAIN_INTERVAL = 10.0

Tick = Callable[[float, str], None]


def clocked(console: Console, *more: ProgressColumn) -> Progress:
    """A line with what is under way and for how long; on a terminal alone."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        *more,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


@contextlib.contextmanager
def waiting(console: Console, what: str) -> Iterator[Tick]:
    """Show ``what``, the elapsed time and the latest status line, until the block ends.

    The block calls the yielded function with the elapsed seconds and the latest status line.
    On a terminal one line is updated in place; elsewhere lines are printed.
    """
    if console.is_terminal:
        with _drawn(console, what) as tick:
            yield tick
    else:
        console.print(f"{what} …", markup=False, soft_wrap=True)
        yield _printed(console, what)


@contextlib.contextmanager
def _drawn(console: Console, what: str) -> Iterator[Tick]:
    with clocked(console, TextColumn("[dim]{task.fields[news]}")) as progress:
        task = progress.add_task(what, total=None, news="")

        def tick(_elapsed: float, news: str) -> None:
            room = max(0, console.width - len(what) - 16)
            progress.update(task, news=escape(_printable(news)[:room]))

        yield tick


def _printed(console: Console, what: str) -> Tick:
    due = PLAIN_INTERVAL

    def tick(elapsed: float, news: str) -> None:
        nonlocal due
        if elapsed >= due:
            due = elapsed + PLAIN_INTERVAL
            line = f"{what} … {elapsed:.0f} s: {_printable(news)}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    return tick


def _printable(line: str) -> str:
    """``line`` without control characters, which could control the terminal."""
    return "".join(character for character in line if character.isprintable())
