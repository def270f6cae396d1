"""Grants, operations and names to decide on, by hand and at random."""

from __future__ import annotations

from hypothesis import strategies as st

from headgate.contract import table
from headgate.model import FAMILIES, Action, Grant, Grants, Narrowing, Operation
from headgate.policy import Denied, NeedsObject, ResolvedObject, Role, Roles, Ruling, evaluate
from headgate.policy.scopes import NARROWED_BY, OF_NO_UPSTREAM, OF_NO_WORKSPACE

OPERATIONS = tuple({row.operation.name: row.operation for row in table().rows}.values())
BY_NAME = {operation.name: operation for operation in OPERATIONS}
UPSTREAMS = ("default", "lab")
WORKSPACES = ("w1", "w 2")
NAMES = ("team-a/x", "team-a/y", "team-b/x", "", "*")
PATTERNS = ("*", "team-a/*", "team-?/x", "team-b/x", "é *", "*/x")


def having(*texts: str, roles: tuple[str, ...] = ()) -> Grants:
    """What the key ``ci`` may do with these grants and roles."""
    return Roles({"own": Role("", texts)}).grants_for("ci", ["own", *roles])


def decided(grants: Grants, operation: str, workspace: str | None = None) -> Ruling:
    """What is decided on the operation of this name, on upstream ``default``."""
    return evaluate(grants, BY_NAME[operation], "default", workspace)


def asked(grants: Grants, operation: str) -> NeedsObject:
    """The same, where it must depend on names."""
    decision = decided(grants, operation)
    assert isinstance(decision, NeedsObject)
    return decision


def naming(needs: NeedsObject, **names: tuple[str, ...] | str | None) -> list[ResolvedObject]:
    """Objects by the fields that name them: the value itself, or what it is called."""
    fields = {field.name.replace("[]", ""): field for field in needs.fields}
    return [
        ResolvedObject(fields[name], given)
        if isinstance(given, str)
        else ResolvedObject(fields[name], "01", given or (), given is None)
        for name, given in names.items()
    ]


def message(decision: Ruling) -> str:
    """The sentence of a denial."""
    assert isinstance(decision, Denied)
    return decision.message


patterns = st.sampled_from(PATTERNS)
operations: st.SearchStrategy[Operation] = st.sampled_from(OPERATIONS)
upstreams = st.sampled_from(UPSTREAMS)
workspaces = st.none() | st.sampled_from(WORKSPACES)


@st.composite
def grants(draw: st.DrawFn) -> Grant:
    """Any grant that the grammar takes."""
    family = draw(st.none() | st.sampled_from(list(FAMILIES)))
    kinds = [kind for kind, families in NARROWED_BY.items() if family in (None, *families)]
    on = None
    if draw(st.booleans()) and kinds:
        on = Narrowing(draw(st.sampled_from(kinds)), draw(patterns))
    upstream = None if family in OF_NO_UPSTREAM else draw(st.none() | st.sampled_from(UPSTREAMS))
    workspace = None if family in OF_NO_WORKSPACE else draw(st.none() | st.sampled_from(WORKSPACES))
    return Grant(draw(st.none() | st.sampled_from(Action)), family, on, upstream, workspace)


@st.composite
def named_in(draw: st.DrawFn, operation: Operation) -> list[ResolvedObject]:
    """Objects that a request for ``operation`` may name, and what they turn out to be."""
    found = []
    for field in operation.objects:
        for _ in range(draw(st.integers(0, 2))):
            names = tuple(draw(st.lists(st.sampled_from(NAMES), max_size=2)))
            absent = not names and draw(st.booleans())
            found.append(ResolvedObject(field, draw(st.sampled_from(NAMES)), names, absent))
    return found
