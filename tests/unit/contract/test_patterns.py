"""Of many patterns, the first that a path fits is found."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.contract.patterns import Patterns

PATTERNS = (
    "/a/{x}",
    "/{x}/b",
    "/a/b/",
    "/a/@{x}",
    "/a/{x}:go",
    "/a/{x}/b/{y}",
    "/t/{r:path}",
    "/s/{r:path}/v/{w:path}/t",
    "/s/{r:path}/v/{w:path}",
    "/s/{r:path}/v",
    "/s/{r:path}/e/{y}",
    "/s/{r:path}",
    "/{x}/{y}/{z}",
)
PATHS = st.lists(
    st.sampled_from(["", *"abstvexyz", "@q", "@", "q:go", ":go", "@q:go"]), max_size=7
).map(lambda segments: "/" + "/".join(segments))


def as_starlette_has_it(pattern: str) -> re.Pattern[str]:
    """The regular expression of starlette.routing.compile_path."""
    expression = re.escape(pattern).replace(r"\{", "{").replace(r"\}", "}")
    expression = re.sub(r"{\w+:path}", ".*", expression)
    return re.compile(re.sub(r"{\w+}", "[^/]+", expression))


@given(st.permutations(PATTERNS), PATHS)
def test_it_is_the_pattern_that_a_search_in_order_finds(order: list[str], path: str) -> None:
    patterns: Patterns[str] = Patterns()
    for rank, pattern in enumerate(order):
        patterns.add(pattern, rank, pattern)
    expected = [pattern for pattern in order if as_starlette_has_it(pattern).fullmatch(path)]
    assert patterns.find(path.encode()) == next(iter(expected), None)


def test_the_order_in_which_they_are_added_does_not_matter() -> None:
    patterns: Patterns[str] = Patterns()
    patterns.add("/{x}/b", 2, "second")
    patterns.add("/{x}/b", 1, "first")
    patterns.add("/{y}/b", 3, "third")
    assert patterns.find(b"/a/b") == "first"


@pytest.mark.parametrize(
    "pattern", ["/a/{x}{y}", "/a/{x:path}/b/{y}/c", "/a/{x:path}/{y}/{z:path}"]
)
def test_a_pattern_unlike_mlflows_is_refused(pattern: str) -> None:
    """Rather than read in a way that MLflow might not."""
    with pytest.raises(ValueError, match="parameter"):
        Patterns[str]().add(pattern, 0, "")
