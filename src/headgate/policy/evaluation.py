"""Decides whether a key's grants allow an operation.

An operation has a *subject*: the objects that its first field names, and those of the same kind
that its other fields name.  They need the operation's own action.  Fields of the other kind name
*referenced* objects: a model version references the files of a run.  They need only be readable;
without this rule a key that may write models could read any run through a model.  A location is
always referenced; if it is of the subject's own kind, the server will also write there, so it
needs the operation's action too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from headgate.model import (
    Action,
    Grant,
    GrantFromRole,
    Grants,
    ObjectField,
    ObjectKind,
    Operation,
)
from headgate.policy import messages
from headgate.policy.pattern import fits
from headgate.policy.ruling import (
    ALLOWED,
    Allowed,
    Denied,
    NeedsObject,
    Requirement,
    ResolvedObject,
    Ruling,
)
from headgate.policy.scopes import LIES_IN

_NAMES: Final = frozenset({ObjectKind.EXPERIMENT_NAME, ObjectKind.MODEL})
"""The kinds of objects that a request names by name, not by id."""


def evaluate(grants: Grants, operation: Operation, upstream: str, workspace: str | None) -> Ruling:
    """Whether the holder of ``grants`` may do ``operation``.

    Args:
        grants: the grants of the key.
        operation: the operation of the request.
        upstream: the name of the upstream of the request.
        workspace: the workspace that the request names, stripped; ``None`` if it names none.
            MLflow then uses its default workspace, which the gate does not know, so no grant for
            a named workspace allows the request.
    """
    if (
        grants.reads_all
        and not operation.also
        and operation.action in grants.everywhere.get(operation.family, ())
    ):
        return ALLOWED  # the case for most keys, in under a microsecond
    if operation.any_key:
        return ALLOWED
    subject, referenced = _fields(operation)
    requirements = []
    for family in (operation.family, *operation.also):
        scope = _scope(grants, operation.action, family, upstream, workspace)
        if scope.is_empty:
            return messages.not_granted(grants, operation, family, upstream, workspace)
        if scope.everything:
            continue
        requirement = _about_subject(scope, operation.action, family, subject)
        if requirement is None:
            return messages.about_others(grants, operation, family, scope.patterns, bool(subject))
        requirements.append(requirement)
    for field in referenced:
        requirements += _about_referenced(
            grants, operation.action, field, subject, upstream=upstream, workspace=workspace
        )
    return NeedsObject(grants, operation, tuple(requirements)) if requirements else ALLOWED


def judge(needs: NeedsObject, named: Sequence[ResolvedObject]) -> Allowed | Denied:
    """Whether the names of the objects match the requirements.

    Args:
        needs: the result of ``evaluate``.
        named: the objects in ``needs.fields``.  One that is missing counts as not named; one
            without names could not be resolved, and matches no pattern.
    """
    for requirement in needs.requirements:
        names_one = False
        for each in named:
            if each.field not in requirement.fields:
                continue
            if _fits(each, requirement):
                names_one = names_one or each.field in requirement.leading
            elif not _is_new(each):
                return messages.names_others(needs, requirement, each)
        if requirement.must_name and not names_one:
            return messages.names_nothing(needs, requirement)
    return ALLOWED


def misfit(needs: NeedsObject, named: ResolvedObject) -> Denied | None:
    """The denial because of one object, whatever else the request names; it ends the look-ups."""
    for requirement in needs.requirements:
        if (
            named.field in requirement.fields
            and not _fits(named, requirement)
            and not _is_new(named)
        ):
            return messages.names_others(needs, requirement, named)
    return None


def rules(
    grants: Grants, operation: Operation, upstream: str, workspace: str | None
) -> tuple[GrantFromRole, ...]:
    """The grants that ``evaluate`` applies: the first without a condition, or all with one.

    For an operation that needs several families, those for its own family.
    """
    given = tuple(
        each
        for each in grants.by_family.get(operation.family, ())
        if _counts(each.grant, operation.action, upstream, workspace)
    )
    return next(((each,) for each in given if each.grant.on is None), given)


class Scope(NamedTuple):
    """The objects that an action on a family is allowed for: all, or those that match a pattern."""

    everything: bool
    patterns: Mapping[ObjectKind, tuple[str, ...]]

    @property
    def is_empty(self) -> bool:
        """Whether it is allowed for no object."""
        return not self.everything and not self.patterns


_EVERYTHING: Final = Scope(True, {})


def _scope(
    grants: Grants, action: Action, family: str, upstream: str, workspace: str | None
) -> Scope:
    patterns: dict[ObjectKind, tuple[str, ...]] = {}
    for _, grant in grants.by_family.get(family, ()):
        if _counts(grant, action, upstream, workspace):
            if grant.on is None:
                return _EVERYTHING
            patterns[grant.on.kind] = (*patterns.get(grant.on.kind, ()), grant.on.pattern)
    return Scope(False, patterns)


def _counts(grant: Grant, action: Action, upstream: str, workspace: str | None) -> bool:
    return (
        (grant.action is None or grant.action is action)
        and (grant.upstream is None or grant.upstream == upstream)
        and (grant.workspace is None or grant.workspace == workspace)
    )


def _fields(operation: Operation) -> tuple[tuple[ObjectField, ...], tuple[ObjectField, ...]]:
    """The fields that name the subject, and those that name referenced objects."""
    subject: list[ObjectField] = []
    referenced: list[ObjectField] = []
    for field in operation.objects:
        if field.kind not in LIES_IN:
            continue
        is_referenced = field.kind is ObjectKind.LOCATION or (
            bool(subject) and LIES_IN[field.kind][0] is not LIES_IN[subject[0].kind][0]
        )
        (referenced if is_referenced else subject).append(field)
    return tuple(subject), tuple(referenced)


def _about_subject(
    scope: Scope, action: Action, family: str, subject: tuple[ObjectField, ...]
) -> Requirement | None:
    """The requirement of a narrowed scope on the subject; ``None`` if no subject can meet it."""
    if not subject:
        return None
    kind = LIES_IN[subject[0].kind][0]
    patterns = scope.patterns.get(kind)
    if patterns is None:
        return None
    return Requirement(action, family, subject, kind, patterns, must_name=True)


def _about_referenced(
    grants: Grants,
    action: Action,
    field: ObjectField,
    subject: tuple[ObjectField, ...],
    *,
    upstream: str,
    workspace: str | None,
) -> Iterator[Requirement]:
    """The requirements on the referenced objects of a field.

    The files of an experiment's runs are written to the location that it was made with, by the
    server itself (``create_promptlab_run_impl``, presigned URLs), so a location that the key may
    only read must not become one.
    """
    kind, family = LIES_IN[field.kind]
    is_written = bool(subject) and LIES_IN[subject[0].kind][0] is kind
    for needed in dict.fromkeys((Action.READ, action if is_written else Action.READ)):
        scope = _scope(grants, needed, family, upstream, workspace)
        if not scope.everything:
            patterns = scope.patterns.get(kind, ())
            yield Requirement(needed, family, (field,), kind, patterns, must_name=False)


def _fits(named: ResolvedObject, requirement: Requirement) -> bool:
    """Whether all names of the object match one of the patterns."""
    names = (named.value,) if named.field.kind in _NAMES else named.names
    return bool(names) and all(
        any(fits(name, pattern) for pattern in requirement.patterns) for name in names
    )


def _is_new(named: ResolvedObject) -> bool:
    """Whether the object does not exist yet, so that it cannot belong to another team."""
    return (
        named.absent
        and not named.names
        and named.field.may_be_new
        and named.field.kind not in _NAMES
    )
