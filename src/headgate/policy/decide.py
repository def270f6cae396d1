"""Weighs a key's grants against what a request asks for.

An operation has a *subject*: the objects that its first field names one of, and all that its other
fields name of the same kind.  For these the operation's own action is needed.  Fields of the other
kind name what is *lent*: a model version is given the files of a run.  Those need only be readable,
or else whoever may write models could read anybody's runs through them.  A location is always lent;
one of the subject's own kind is besides where the server will write, so it needs the action too.
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
from headgate.policy import words
from headgate.policy.decision import (
    ALLOWED,
    Allowed,
    Decision,
    Denied,
    NeedsObject,
    Requirement,
    ResolvedObject,
)
from headgate.policy.pattern import fits
from headgate.policy.scopes import LIES_IN

_NAMES: Final = frozenset({ObjectKind.EXPERIMENT_NAME, ObjectKind.MODEL})
"""What is named by its name and not by an id."""


def decide(grants: Grants, operation: Operation, upstream: str, workspace: str | None) -> Decision:
    """Whether the holder of ``grants`` may do ``operation``.

    Args:
        grants: what the holder of the key was given.
        operation: what the request asks for.
        upstream: the name of the upstream that it goes to.
        workspace: the workspace that it names, without white space around it; ``None`` if none.
            A request that names none is in MLflow's own default workspace, whichever that is, so
            no grant for a workspace by name allows it.
    """
    if (
        grants.reads_all
        and not operation.also
        and operation.action in grants.everywhere.get(operation.family, ())
    ):
        return ALLOWED  # so it ends for most keys, in under a microsecond
    subject, lent = _fields(operation)
    requirements = []
    for family in (operation.family, *operation.also):
        scope = _scope(grants, operation.action, family, upstream, workspace)
        if scope.is_empty:
            return words.not_granted(grants, operation, family, upstream, workspace)
        if scope.everything:
            continue
        requirement = _about_subject(scope, operation.action, family, subject)
        if requirement is None:
            return words.about_others(grants, operation, family, scope.patterns, bool(subject))
        requirements.append(requirement)
    for field in lent:
        requirements += _about_lent(
            grants, operation.action, field, subject, upstream=upstream, workspace=workspace
        )
    return NeedsObject(grants, operation, tuple(requirements)) if requirements else ALLOWED


def judge(needs: NeedsObject, named: Sequence[ResolvedObject]) -> Allowed | Denied:
    """Whether the objects that a request names are called what they must be.

    Args:
        needs: what ``decide`` answered.
        named: each object that stands in one of ``needs.fields``.  An object that is left out
            counts as not named; one without names as nobody's.
    """
    for requirement in needs.requirements:
        names_one = False
        for each in named:
            if each.field not in requirement.fields:
                continue
            if _fits(each, requirement):
                names_one = names_one or each.field in requirement.leading
            elif not _is_new(each):
                return words.names_others(needs, requirement, each)
        if requirement.must_name and not names_one:
            return words.names_nothing(needs, requirement)
    return ALLOWED


def misfit(needs: NeedsObject, named: ResolvedObject) -> Denied | None:
    """What speaks against one object, whatever else the request names: it ends the look-ups."""
    for requirement in needs.requirements:
        if (
            named.field in requirement.fields
            and not _fits(named, requirement)
            and not _is_new(named)
        ):
            return words.names_others(needs, requirement, named)
    return None


def rules(
    grants: Grants, operation: Operation, upstream: str, workspace: str | None
) -> tuple[GrantFromRole, ...]:
    """The grants that ``decide`` goes by: the first without a condition, or all that have one.

    For an operation that needs several families, those for its own family.
    """
    given = tuple(
        each
        for each in grants.by_family.get(operation.family, ())
        if _counts(each.grant, operation.action, upstream, workspace)
    )
    return next(((each,) for each in given if each.grant.on is None), given)


class Scope(NamedTuple):
    """What an action on a family is allowed on: everything, or what is called like a pattern."""

    everything: bool
    patterns: Mapping[ObjectKind, tuple[str, ...]]

    @property
    def is_empty(self) -> bool:
        """Whether it is allowed on nothing."""
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
    """The fields that name the subject, and those that name what is lent."""
    subject: list[ObjectField] = []
    lent: list[ObjectField] = []
    for field in operation.objects:
        if field.kind not in LIES_IN:
            continue
        is_lent = field.kind is ObjectKind.LOCATION or (
            bool(subject) and LIES_IN[field.kind][0] is not LIES_IN[subject[0].kind][0]
        )
        (lent if is_lent else subject).append(field)
    return tuple(subject), tuple(lent)


def _about_subject(
    scope: Scope, action: Action, family: str, subject: tuple[ObjectField, ...]
) -> Requirement | None:
    """What a narrowed scope demands of the subject; ``None`` if it cannot fit any."""
    if not subject:
        return None
    kind = LIES_IN[subject[0].kind][0]
    patterns = scope.patterns.get(kind)
    if patterns is None:
        return None
    return Requirement(action, family, subject, kind, patterns, must_name=True)


def _about_lent(
    grants: Grants,
    action: Action,
    field: ObjectField,
    subject: tuple[ObjectField, ...],
    *,
    upstream: str,
    workspace: str | None,
) -> Iterator[Requirement]:
    """What is demanded of what a field names besides the subject.

    The files of an experiment's runs are written to the location that it was made with, by the
    server itself (``create_promptlab_run_impl``, presigned addresses): what may only be read must
    not become one.
    """
    kind, family = LIES_IN[field.kind]
    is_written = bool(subject) and LIES_IN[subject[0].kind][0] is kind
    for needed in dict.fromkeys((Action.READ, action if is_written else Action.READ)):
        scope = _scope(grants, needed, family, upstream, workspace)
        if not scope.everything:
            patterns = scope.patterns.get(kind, ())
            yield Requirement(needed, family, (field,), kind, patterns, must_name=False)


def _fits(named: ResolvedObject, requirement: Requirement) -> bool:
    """Whether everything that the object is called fits one of the patterns."""
    names = (named.value,) if named.field.kind in _NAMES else named.names
    return bool(names) and all(
        any(fits(name, pattern) for pattern in requirement.patterns) for name in names
    )


def _is_new(named: ResolvedObject) -> bool:
    """Whether the object has no name yet that could be somebody else's."""
    return (
        named.absent
        and not named.names
        and named.field.may_be_new
        and named.field.kind not in _NAMES
    )
