"""Compares what two sets of grants allow: what both do, and whether one does all that another does.

Grants of a key count only where its owner's do, and nobody gives what they do not have.  Both are
told from the grants alone, for any request: what they say is never more than ``evaluate`` and
``judge`` would, which ``tests/unit/policy/test_comparison.py`` shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from headgate.model import FAMILIES, Action, Grant, GrantFromRole, Narrowing
from headgate.policy.pattern_algebra import is_within, overlap
from headgate.policy.scopes import counts_for


def covers(held: Sequence[Grant], wanted: Iterable[Grant]) -> bool:
    """Whether ``held`` allow everything that ``wanted`` allow."""
    return all(
        _is_covered(held, grant, action, family)
        for grant in wanted
        for family in _families(grant)
        for action in _actions(grant)
    )


def meet(one: Sequence[Grant], other: Sequence[Grant]) -> tuple[Grant, ...]:
    """Grants that allow what both allow.

    Less, where no grant says what they share: such as the artifacts of an experiment that are those
    of a model too.
    """
    if covers(other, one):
        return tuple(one)
    if covers(one, other):
        return tuple(other)
    found = dict.fromkeys(grant for a, b in product(one, other) for grant in shared(a, b))
    kept: list[Grant] = []
    waiting = list(found)
    while waiting:  # what another grant allows by itself says nothing more
        grant = waiting.pop()
        if not any(covers((each,), (grant,)) for each in (*waiting, *kept)):
            kept.append(grant)
    return tuple(reversed(kept))


def held_to(given: Iterable[GrantFromRole], limits: Sequence[Grant]) -> list[GrantFromRole]:
    """``given``, each only where ``limits`` allow it too."""
    held = (GrantFromRole(role, each) for role, grant in given for each in meet((grant,), limits))
    return list(dict.fromkeys(held))


def shared(one: Grant, other: Grant) -> Iterator[Grant]:
    """What both of two grants allow."""
    if not (
        _agree(one.action, other.action)
        and _agree(one.family, other.family)
        and _agree(one.upstream, other.upstream)
        and _agree(one.workspace, other.workspace)
    ):
        return
    for on in _shared_objects(one.on, other.on):
        grant = Grant(
            one.action if one.action is not None else other.action,
            one.family if one.family is not None else other.family,
            on,
            one.upstream if one.upstream is not None else other.upstream,
            one.workspace if one.workspace is not None else other.workspace,
        )
        if any(True for _ in _families(grant)):
            yield grant


def _shared_objects(one: Narrowing | None, other: Narrowing | None) -> Iterable[Narrowing | None]:
    if one is None or other is None:
        return (other if one is None else one,)
    if one.kind is not other.kind:
        return ()
    return [Narrowing(one.kind, pattern) for pattern in overlap(one.pattern, other.pattern)]


def _agree(one: object, other: object) -> bool:
    """``None`` is any."""
    return one is None or other is None or one == other


def _is_covered(held: Sequence[Grant], wanted: Grant, action: Action, family: str) -> bool:
    patterns = []
    for grant in held:
        if (
            (grant.action is None or grant.action is action)
            and counts_for(grant, family)
            and (grant.upstream is None or grant.upstream == wanted.upstream)
            and (grant.workspace is None or grant.workspace == wanted.workspace)
        ):
            if grant.on is None:
                return True
            if wanted.on is not None and grant.on.kind is wanted.on.kind:
                patterns.append(grant.on.pattern)
    return wanted.on is not None and is_within(wanted.on.pattern, patterns)


def _families(grant: Grant) -> Iterator[str]:
    """Those on which it allows something."""
    if grant.family is not None:
        if counts_for(grant, grant.family):
            yield grant.family
        return
    for family in FAMILIES:
        if counts_for(grant, family):
            yield family


def _actions(grant: Grant) -> Iterable[Action]:
    return Action if grant.action is None else (grant.action,)
