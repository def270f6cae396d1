"""The messages of denied requests.

Each says what the key may do, what the request needs, and what to ask the operator for.  None
reveals the name of an object that the key may not read, or whether the object exists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from headgate.model import FAMILIES, Action, Grant, Grants, ObjectField, ObjectKind, Operation
from headgate.policy.grammar import needed
from headgate.policy.phrases import joined
from headgate.policy.ruling import Denied, NeedsObject, Requirement, ResolvedObject

_OBJECTS: Final = {
    ObjectKind.EXPERIMENT: "experiment",
    ObjectKind.EXPERIMENT_NAME: "experiment",
    ObjectKind.RUN: "run",
    ObjectKind.LOGGED_MODEL: "logged model",
    ObjectKind.TRACE: "trace",
    ObjectKind.DATASET: "dataset",
    ObjectKind.ASSESSMENT: "assessment",
    ObjectKind.ARTIFACT: "artifact",
    ObjectKind.LOCATION: "location",
    ObjectKind.MODEL: "model",
}
_OWN_FAMILY: Final = {ObjectKind.EXPERIMENT: "experiments", ObjectKind.MODEL: "models"}

_LONGEST_VALUE: Final = 80  # characters of a value that a message shows
_MOST_PATTERNS: Final = 3


def not_granted(
    grants: Grants, operation: Operation, family: str, upstream: str, workspace: str | None
) -> Denied:
    """No grant allows the operation's action on ``family`` here."""
    action = operation.action
    given = [grant for _, grant in grants.by_family.get(family, ())]
    elsewhere = [grant for grant in given if grant.action in (None, action)]
    others = [each for each in Action if any(grant.action in (None, each) for grant in given)]
    if elsewhere:
        where = joined(dict.fromkeys(_place(grant) for grant in elsewhere))
        why = f"may {action.value} {noun(family)} only {where}"
        if workspace is None and any(grant.upstream in (None, upstream) for grant in elsewhere):
            why += ", and the request names no workspace, which MLFLOW_WORKSPACE does"
    elif others:
        pronoun = "it" if FAMILIES[family].is_singular else "them"
        can = joined([each.value for each in others], "and")
        why = f"may {can} {noun(family)} but not {action.value} {pronoun}"
    else:
        why = f"may not {action.value} {noun(family)}"
    if grants.missing:
        names = joined([f"'{role}'" for role in grants.missing], "and")
        why += f", and the gate's configuration has no role {names}"
    return _denied(grants, action, family, why)


def about_others(
    grants: Grants,
    operation: Operation,
    family: str,
    patterns: Mapping[ObjectKind, Sequence[str]],
    has_subject: bool,
) -> Denied:
    """The grants are narrowed, and the operation has no object to compare with them."""
    where = joined(_only(family, kind, each) for kind, each in patterns.items())
    if has_subject:
        why_not = "is not limited to them"
    elif operation.action is Action.READ:
        why_not = "returns everything, which the gate does not filter"
    else:
        why_not = "names none of them"
    why = (
        f"may {operation.action.value} {noun(family)} only {where}, and {operation.name} {why_not}"
    )
    return _denied(grants, operation.action, family, why)


def names_nothing(needs: NeedsObject, requirement: Requirement) -> Denied:
    """The request does not name the object that it is about."""
    where = joined(dict.fromkeys(field.name.removesuffix("[]") for field in requirement.leading))
    why = f"{_may_only(requirement)}, and the request names none"
    cure = f"name one in {where}, or {_cure(needs.grants, requirement.action, requirement.family)}"
    return _denied(needs.grants, requirement.action, requirement.family, why, cure)


def names_others(needs: NeedsObject, requirement: Requirement, named: ResolvedObject) -> Denied:
    """The request names an object that the grants do not cover."""
    it = f"{_OBJECTS[named.field.kind]} {_shown(named.value)}"
    if requirement.patterns:
        is_itself = named.field.kind in (ObjectKind.EXPERIMENT_NAME, requirement.kind)
        why = f"{_may_only(requirement)}, and {it} is {'not' if is_itself else 'in none of them'}"
    else:
        why = (
            f"may {needs.operation.action.value} {noun(needs.operation.family)} but not "
            f"{requirement.action.value} {noun(requirement.family)}, and the request names {it}"
        )
    cure = "ask the gate's operator for a role that covers it"
    return _denied(needs.grants, requirement.action, requirement.family, why, cure)


def names_too_many(needs: NeedsObject, most: int) -> Denied:
    """The request names more objects than the gate looks up for one request."""
    action, family = needs.operation.action, needs.operation.family
    why = (
        f"may {action.value} {noun(family)} only where their names allow it, and this request "
        f"names more than {most:,} objects or experiments, which is the limit for one request"
    )
    return _denied(needs.grants, action, family, why, "send it in parts")


def describe(requirement: Requirement) -> str:
    """A requirement as text for ``headgate explain``, which has no request."""
    fields = joined(dict.fromkeys(_where(field) for field in requirement.fields), "and")
    if not requirement.patterns:
        return f"{fields} must name nothing"
    kinds = {field.kind for field in requirement.fields}
    itself = "models" if requirement.kind is ObjectKind.MODEL else "experiments"
    if not kinds <= {requirement.kind, ObjectKind.EXPERIMENT_NAME}:
        itself = f"what lies in {itself}"
    verb = "must" if requirement.must_name else "may"
    return f"{fields} {verb} name only {itself} {_called(requirement.patterns)}"


def noun(family: str) -> str:
    """The noun for a family in a sentence."""
    return FAMILIES[family].noun or family


def _denied(grants: Grants, action: Action, family: str, why: str, cure: str = "") -> Denied:
    cure = cure or _cure(grants, action, family)
    holder = _shown(grants.holder)
    return Denied(
        f"Headgate refused: your {grants.noun} {holder} {why}; {cure}.", needed(action, family)
    )


def _cure(grants: Grants, action: Action, family: str) -> str:
    role = grants.ask_for.get((action, family))
    what = f"role {role}" if role else f"a role with the grant {needed(action, family)}"
    return f"ask the gate's operator for {what}"


def _may_only(requirement: Requirement) -> str:
    where = _only(requirement.family, requirement.kind, requirement.patterns)
    return f"may {requirement.action.value} {noun(requirement.family)} only {where}"


def _only(family: str, kind: ObjectKind, patterns: Sequence[str]) -> str:
    called = _called(patterns)
    if family == _OWN_FAMILY[kind]:
        return f"if {called}"
    return f"in experiments {called}" if kind is ObjectKind.EXPERIMENT else f"of models {called}"


def _called(patterns: Sequence[str]) -> str:
    shown = [f"'{pattern}'" for pattern in dict.fromkeys(patterns)]
    if len(shown) > _MOST_PATTERNS:
        shown[_MOST_PATTERNS - 1 :] = ["the like"]
    return f"called {joined(shown)}"


def _place(grant: Grant) -> str:
    parts = []
    if grant.upstream is not None:
        parts.append(f"on upstream '{grant.upstream}'")
    if grant.workspace is not None:
        parts.append(f"in workspace '{grant.workspace}'")
    return " ".join(parts)


def _where(field: ObjectField) -> str:
    return f"{field.name} ({field.place.value})"


def _shown(value: str) -> str:
    """A value in quotes, truncated, without characters that could harm a terminal."""
    if len(value) > _LONGEST_VALUE:
        value = value[: _LONGEST_VALUE - 1] + "…"
    return "'" + "".join(each if each.isprintable() else "\ufffd" for each in value) + "'"
