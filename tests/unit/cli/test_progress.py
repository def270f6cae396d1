"""The display of a slow start, on a terminal and in a log file."""

from __future__ import annotations

import io

from rich.console import Console

from headgate.cli.progress import waiting


def test_where_nothing_can_be_drawn_over_a_line_comes_every_ten_seconds() -> None:
    console = Console(file=io.StringIO(), force_terminal=False, width=40)

    with waiting(console, "starting MLflow") as tick:
        for second in range(0, 25, 2):
            tick(float(second), f"[info] a line of the log that is longer than {second} columns")

    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == (
        "starting MLflow …\n"
        "starting MLflow … 10 s: [info] a line of the log that is longer than 10 columns\n"
        "starting MLflow … 20 s: [info] a line of the log that is longer than 20 columns\n"
    )


def test_a_terminal_shows_the_news_without_obeying_them() -> None:
    """A log line is foreign text: neither its markup nor its escapes may reach the terminal."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)

    with waiting(console, "starting MLflow") as tick:
        tick(1.0, "[bold]tables\x1b]0;owned\x07 created")

    assert isinstance(console.file, io.StringIO)
    drawn = console.file.getvalue()
    assert "starting MLflow" in drawn
    assert "[bold]tables]0;owned created" in drawn
    assert "\x1b]0;" not in drawn
