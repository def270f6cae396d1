"""Judges the objects that a request names by their names.

Objects that need no request to MLflow come first; the others are looked up one after another.  The
first one that the key may not act on ends the look-ups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from headgate.decide.resolver import MAX_OBJECTS, Lookups, Names, TooManyError
from headgate.model import ObjectField, ObjectKind
from headgate.policy import Allowed, Denied, NeedsObject, ResolvedObject, judge, misfit
from headgate.policy.messages import names_too_many

_CALLED_BY_NAME: Final = frozenset({ObjectKind.EXPERIMENT_NAME, ObjectKind.MODEL})

MAX_MENTIONS: Final = 1_000
"""Objects that one request may name, whether or not they have to be looked up."""

Mention = tuple[ObjectField, str]
"""A field of a request and one value that stands there."""


async def judge_objects(
    needs: NeedsObject, mentions: Sequence[Mention], lookups: Lookups
) -> Allowed | Denied:
    """Whether a key may do what a request asks for with every object that it names.

    Args:
        needs: what ``evaluate`` returned.
        mentions: every value in each of ``needs.fields``; doubles are looked up once.
        lookups: the look-ups of this request.

    Raises:
        UnresolvableError: MLflow failed; a later attempt may succeed.
    """
    distinct = dict.fromkeys(mentions)
    by_name = [each for each in distinct if each[0].kind in _CALLED_BY_NAME]
    by_id = [each for each in distinct if each[0].kind not in _CALLED_BY_NAME]
    if len({(field.kind, value) for field, value in by_id}) > MAX_OBJECTS:
        return names_too_many(needs, MAX_OBJECTS)
    if len(distinct) > MAX_MENTIONS:
        return names_too_many(needs, MAX_MENTIONS)
    named = []
    for field, value in by_name:
        each = ResolvedObject(field, value)
        if (denied := misfit(needs, each)) is not None:
            return denied
        named.append(each)
    try:
        traces = [value for field, value in by_id if field.kind is ObjectKind.TRACE]
        if len(traces) > 1:
            await lookups.prepare_traces(traces)
        for field, value in by_id:
            found: Names = await lookups.names(field.kind, value)
            each = ResolvedObject(field, value, found.names, found.absent)
            if (denied := misfit(needs, each)) is not None:
                return denied
            named.append(each)
    except TooManyError:
        return names_too_many(needs, MAX_OBJECTS)
    return judge(needs, named)
