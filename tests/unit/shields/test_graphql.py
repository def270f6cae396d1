"""How much a query asks for, and that no way of writing hides it."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from graphql import parse, print_ast
from graphql.error import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from headgate.shields.graphql import (
    MAX_ALIASES,
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_ROOT_FIELDS,
    MAX_SELECTIONS,
    excess,
)

RUN = """
query GetRun($data: MlflowGetRunInput!, $n: Int = 3) @component(name: "a { b") {
  # what the page shows {{{
  mlflowGetRun(input: $data, filter: {a: [1, {b: "}"}], c: \"\"\"{ " \\\"\"\" {\"\"\"}) {
    apiError { helpUrl code message }
    run {
      info { runName status, runUuid }
      ... on MlflowRun @include(if: true) { experiment { name tags { key value } } }
      ...Inputs
    }
  }
}
fragment Inputs on MlflowRun { inputs { datasetInputs { dataset { digest } } } }
"""


def nested(depth: int) -> str:
    return "{a" * depth + "}" * depth


def test_what_the_page_sends_passes() -> None:
    assert excess(RUN) == ""


def test_every_query_of_mlflows_own_page_passes() -> None:
    """Those of the page that comes with the MLflow in use; there are some."""
    package = find_spec("mlflow")
    assert package is not None
    assert package.origin is not None
    build = Path(package.origin).parent / "server" / "js" / "build" / "static" / "js"
    found = [
        query
        for file in build.glob("*.js")
        for query in re.findall(r"`\s*((?:query|mutation) \w+[^`$]*\(\$[^`]*)`", file.read_text())
        if "${" not in query
    ]
    assert found
    assert [excess(query) for query in found] == [""] * len(found)


@pytest.mark.parametrize(
    ("query", "bound"),
    [
        (nested(MAX_DEPTH), ""),
        (nested(MAX_DEPTH + 1), "nested"),
        (nested(100_000)[: MAX_LENGTH - 1], "nested"),
        ("{" + " ".join(f"x{n}: a" for n in range(MAX_ALIASES)) + "}", ""),
        ("{a{" + " ".join(f"x{n}: a" for n in range(MAX_ALIASES + 1)) + "}}", "aliases"),
        ("{" + "a " * MAX_ROOT_FIELDS + "}", ""),
        ("{" + "a " * (MAX_ROOT_FIELDS + 1) + "}", "root fields"),
        ("query A {a} " * (MAX_ROOT_FIELDS + 1), "root fields"),
        ("{a{" + "b " * MAX_SELECTIONS + "}}", "selects more"),
        ("{" + " " * MAX_LENGTH + "a}", "longer"),
        ("{a ...A} fragment A on T {a ...B} fragment B on T {a ...A}", "within itself"),
        ("{...A}", "not defined"),
        ("{...A} fragment A on T {a} fragment A on T {b}", "one name"),
        ("fragment A on T {a}", "empty"),
        ("", "empty"),
        ("subscription {a}", "other than queries"),
        ("schema {query: Q}", "other than queries"),
        ("{a", "cannot be read"),
        ("{a(}", "cannot be read"),
        ("{a(b: [)]}", "cannot be read"),
        ('{a(b: "}', "cannot be read"),
        ("{a}}", "other than queries"),
        ("{a ; b}", "cannot be read"),
        ("query", "cannot be read"),
        ("{a(b", "cannot be read"),
        ("{a @here b}", ""),
        ("{a(b: " + "[" * 100 + "]" * 100 + ")}", "nested"),
    ],
)
def test_bounds(query: str, bound: str) -> None:
    assert bound in excess(query)
    assert bool(bound) is bool(excess(query))


def test_fragments_hide_nothing() -> None:
    """A fragment that is spread counts wherever it is, and doubling grows in no time."""
    deep = "{...F0}" + "".join(
        f"fragment F{n} on T {{ a {{ ...F{n + 1} }} }}" for n in range(MAX_DEPTH + 1)
    )
    assert "nested" in excess(deep + f"fragment F{MAX_DEPTH + 1} on T {{ a }}")
    doubled = "{a{...F0}}" + "".join(
        f"fragment F{n} on T {{ ...F{n + 1} ...F{n + 1} }}" for n in range(50)
    )
    assert "selects more" in excess(doubled + "fragment F50 on T { a }")


NAMES = st.sampled_from(["a", "on", "query", "fragment", "input", "_x9"])
STRINGS = st.sampled_from(
    ['"{"', '"\\""', '"""}"""', '"""a "" b"""', "3", "-1.5e3", "$v", "{a: 1}"]
)
ARGUMENTS = st.one_of(st.just(""), STRINGS.map(lambda value: f"(a: {value}, b: [{value}])"))


@st.composite
def selections(draw: st.DrawFn, depth: int = 0) -> str:
    """A selection set with arguments, aliases, directives and inline fragments."""
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        field = draw(NAMES) + draw(ARGUMENTS) + draw(st.sampled_from(["", " @skip(if: true)"]))
        alias = draw(st.sampled_from(["", "alias: "]))
        inner = draw(selections(depth + 1)) if depth < 12 and draw(st.booleans()) else ""
        inline = draw(st.sampled_from(["", "... on T ", "... ", "... @x "]))
        parts.append(f"{inline}{{{alias}{field} {inner}}}" if inline else f"{alias}{field} {inner}")
    return "{" + ", ".join(parts) + "}"


@given(selections())
def test_it_measures_what_a_real_parser_sees(query: str) -> None:
    """The depth, and that the same query written another way is judged alike."""
    document = parse(query, no_location=True)
    again = excess(print_ast(document))
    assert again == excess(query)
    deepest = max(_depths(document.to_dict()["definitions"][0]["selection_set"]))
    assert ("nested" in again) is (deepest > MAX_DEPTH)


@given(st.text("{}()[]@:.$!\"'#aon \n", max_size=60))
def test_what_it_reads_and_what_a_real_parser_reads(query: str) -> None:
    """Whatever a real parser takes, the scanner takes or refuses; it never fails otherwise."""
    judged = excess(query)
    try:
        parse(query)
    except GraphQLError:
        return
    assert judged in {
        "",
        "spreads a fragment that is not defined",
        "is empty",
    } or judged.startswith(("has", "is", "asks"))


def _depths(selection_set: dict[str, object] | None, depth: int = 1) -> list[int]:
    found = [depth]
    for each in (selection_set or {})["selections"]:  # type: ignore[attr-defined]
        inner = each.get("selection_set")
        if inner:
            found += _depths(inner, depth if each["kind"] == "inline_fragment" else depth + 1)
    return found
