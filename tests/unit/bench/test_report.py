"""The output of a run: on a terminal, as JSON, and as a page that depends on nothing else."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from bench.document import Document
from bench.report import GENERATED, TEMPLATE, number, render, show
from bench.series import Better, Series

CPU = Series(
    "cpu.alike",
    "CPU per request: alike",
    "µs",
    Better.LOWER,
    {"headgate": [30.0, 32.0, 31.0], "nginx": [20.0, 20.0, 20.0], "caddy": [100.0, 99.0, 99.0]},
)
DIRECT = Series("cpu.varied", "Varied", "µs", Better.LOWER, {"nginx": [21.0]})
DOCUMENT = Document(
    taken="2026-01-02",
    quick=False,
    rounds=3,
    cores=2,
    processor="Some CPU",
    system="Linux 6.1",
    load=0.1,
    programs={"nginx": "1.22.1"},
    benchmarks=["cpu", "memory"],
    skipped=["caddy: needs /usr/bin/caddy"],
    results={"memory": {"title": "An artifact", "targets": {"peak below 100 MB": True}}},
    series=[CPU, DIRECT],
)


def test_a_document_survives_json() -> None:
    assert Document.from_json(DOCUMENT.to_json()) == DOCUMENT


def test_json_has_a_line_for_each_series() -> None:
    lines = DOCUMENT.to_json().splitlines()
    assert [sum(name in line for line in lines) for name in ("cpu.alike", "cpu.varied")] == [1, 1]


def test_a_run_takes_the_place_of_the_same_benchmarks_in_another() -> None:
    again = replace(CPU, samples={"headgate": [1.0], "nginx": [2.0]})
    idle = Series("idle.memory", "Memory", "KB", Better.LOWER, {"headgate": [3.0]})
    newer = replace(
        DOCUMENT,
        taken="2026-02-03",
        rounds=5,
        load=0.7,
        benchmarks=["cpu"],
        skipped=[],
        results={},
        series=[again],
    )
    joined = replace(DOCUMENT, series=[CPU, DIRECT, idle]).joined(newer)
    assert joined.series == [idle, again]
    assert joined.benchmarks == ["cpu", "memory"]
    assert joined.results == DOCUMENT.results
    assert (joined.taken, joined.rounds, joined.load) == ("2026-02-03", 3, 0.7)


@pytest.mark.parametrize("text", ['{"series": []}', '{"series": [{"name": "x"}]}', "[1"])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a run of the benchmarks|Expecting"):
        Document.from_json(text)


def test_the_page_is_the_template_with_the_runs_tables() -> None:
    page = render("# T\n\n{{ verdicts }}\n\n{{ tables cpu }}\n", DOCUMENT)
    assert page == (
        f"{GENERATED.format('performance')}# T\n\n"
        "| Target | Limit | Found | Rounds |  |\n"
        "| --- | --: | --: | --: | --- |\n"
        "| CPU per request: alike | at most 1.15 times nginx | 1.55 | 1.50 to 1.60 | MISSED |\n"
        "| cpu.alike | below 1.00 times nginx+auth_request |  |  | not measured |\n"
        "| CPU per request: alike | below 0.25 times caddy | 0.31 | 0.30 to 0.32 | MISSED |\n"
        "| cpu.varied | at most 1.15 times nginx |  |  | not measured |\n"
        "| cpu.varied | below 1.00 times nginx+auth_request |  |  | not measured |\n"
        "| cpu.varied | below 0.25 times caddy |  |  | not measured |\n"
        "| cpu.post | at most 1.15 times nginx |  |  | not measured |\n"
        "| cpu.post | below 1.00 times nginx+auth_request |  |  | not measured |\n"
        "| cpu.post | below 0.25 times caddy |  |  | not measured |\n"
        "\n"
        "|  | CPU per request: alike (µs) | Varied (µs) |\n"
        "| --- | --: | --: |\n"
        "| **headgate** | **31.0** |  |\n"
        "| nginx | 20.0 | 21.0 |\n"
        "| caddy | 99.0 |  |\n"
    )


def test_the_page_says_where_it_was_measured_and_what_was_left_out() -> None:
    page = render("{{ machine }}\n{{ skipped }}\n{{ results }}", DOCUMENT)
    assert "Some CPU, 2 cores, Linux 6.1, on 2026-01-02; 3 rounds" in page
    assert "nginx 1.22.1" in page
    assert "Skipped: caddy: needs /usr/bin/caddy." in page
    assert "An artifact: peak below 100 MB: met." in page


def test_the_page_warns_of_a_run_on_a_busy_machine() -> None:
    assert "rough" not in render("{{ machine }}", DOCUMENT)
    assert "rough" in render("{{ machine }}", replace(DOCUMENT, load=2.0))


def test_a_benchmark_that_did_not_run_is_named_as_such() -> None:
    assert render("{{ tables idle }}", DOCUMENT).endswith("Not measured.")


def test_an_unknown_place_is_refused() -> None:
    with pytest.raises(ValueError, match="verdict "):
        render("{{ verdict }}", DOCUMENT)


def test_the_kept_template_has_only_places_that_exist() -> None:
    assert "{{" not in render(TEMPLATE.read_text(encoding="utf-8"), DOCUMENT)


def test_the_terminal_shows_every_figure_the_relation_and_the_verdicts() -> None:
    text = shown(DOCUMENT)
    for part in ("31.0", "30.0 to 32.0", "1.55 times", "MISSED", "skipped: caddy"):
        assert part in text
    assert "not meaningful" not in text


def test_nothing_is_so_many_times_nothing() -> None:
    idle = replace(CPU, samples={"headgate": [7.0], "nginx": [0.0]})
    assert "times" not in shown(replace(DOCUMENT, series=[idle], benchmarks=[]))


def test_a_quick_run_is_marked() -> None:
    assert "not meaningful" in shown(replace(DOCUMENT, quick=True))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123, "0.12"), (9.996, "10.00"), (10.04, "10.0"), (99.96, "100.0"), (1234.5, "1,234")],
)
def test_figures_have_three_digits_or_so(value: float, text: str) -> None:
    assert number(value) == text


def shown(document: Document) -> str:
    stream = io.StringIO()
    show(document, Console(file=stream, width=200))
    return stream.getvalue()
