"""Grants, operations and names for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from headgate.contract import table
from headgate.model import FAMILIES, Action, Grant, Narrowing, Operation
from headgate.policy import Named
from headgate.policy.reach import NARROWED_BY, OF_NO_UPSTREAM, OF_NO_WORKSPACE

OPERATIONS = tuple({row.operation.name: row.operation for row in table().rows}.values())
UPSTREAMS = ("default", "lab")
WORKSPACES = ("w1", "w 2")
NAMES = ("team-a/x", "team-a/y", "team-b/x", "", "*")
PATTERNS = ("*", "team-a/*", "team-?/x", "team-b/x", "é *")


patterns = st.sampled_from(PATTERNS)
operations: st.SearchStrategy[Operation] = st.sampled_from(OPERATIONS)
upstreams = st.sampled_from(UPSTREAMS)
workspaces = st.none() | st.sampled_from(WORKSPACES)


@st.composite
def grants(draw: st.DrawFn) -> Grant:
    """Any grant that the grammar takes."""
    family = draw(st.none() | st.sampled_from(FAMILIES))
    kinds = [kind for kind, families in NARROWED_BY.items() if family in (None, *families)]
    on = None
    if draw(st.booleans()) and kinds:
        on = Narrowing(draw(st.sampled_from(kinds)), draw(patterns))
    upstream = None if family in OF_NO_UPSTREAM else draw(st.none() | st.sampled_from(UPSTREAMS))
    workspace = None if family in OF_NO_WORKSPACE else draw(st.none() | st.sampled_from(WORKSPACES))
    return Grant(draw(st.none() | st.sampled_from(Action)), family, on, upstream, workspace)


@st.composite
def named_in(draw: st.DrawFn, operation: Operation) -> list[Named]:
    """Objects that a request for ``operation`` may name, and what they turn out to be."""
    found = []
    for field in operation.objects:
        for _ in range(draw(st.integers(0, 2))):
            names = tuple(draw(st.lists(st.sampled_from(NAMES), max_size=2)))
            absent = not names and draw(st.booleans())
            found.append(Named(field, draw(st.sampled_from(NAMES)), names, absent))
    return found
