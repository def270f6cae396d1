"""What may be asked of an upstream that something is asked of already: one rule each.

Nothing here knows a store or a clock.  Who changes a directive gives it the next revision.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from headgate.maintenance.directive import Directive, Park, ReadOnly

MOST_SECONDS: Final = 3_600
"""Of one park; a lease is renewed as often as its command likes."""
USUAL_SECONDS: Final = 240
LEAST_LEASE: Final = 10
MOST_LEASE: Final = 600
MOST_READ_ONLY: Final = 86_400
USUAL_READ_ONLY: Final = 3_600
SENTENCE_LENGTH: Final = 200


class OpposedError(Exception):
    """Something that is asked already is in the way; the message says what, and what to do."""


class UnfitError(Exception):
    """What is asked is not possible at all; the message says why."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, and when.

    Attributes:
        name: of the principal.
        now: seconds since the epoch.
    """

    name: str
    now: float


def parked(directive: Directive, park: Park, asking: Asking) -> Directive:
    """The directive with a park.

    Raises:
        OpposedError: the upstream is parked already.
        UnfitError: the time or the sentence is not possible.
    """
    _require_fit(park.sentence)
    seconds = park.ends_at - park.started_at
    if park.lease and not LEAST_LEASE <= seconds <= MOST_LEASE:
        raise UnfitError(
            f"a lease has {LEAST_LEASE} to {MOST_LEASE} seconds: the command renews it"
        )
    if not 1 <= seconds <= MOST_SECONDS:
        raise UnfitError(f"a park has 1 to {MOST_SECONDS} seconds")
    before = park_in_force(directive, asking.now)
    if before is not None:
        raise OpposedError(f"upstream {directive.upstream} {told(before, asking.now)}")
    return _asked(replace(directive, park=park))


def renewed(
    directive: Directive, park_id: str, seconds: float, asking: Asking, admits: str | None = None
) -> Directive:
    """The directive with a lease that ends so many seconds from now.

    Also one that has run out is renewed: its command is back.  It may then admit another
    credential, since the secret of the one before is gone with the command that had it.

    Raises:
        OpposedError: the upstream has no such park.
        UnfitError: it is no lease, or the time is not possible.
    """
    park = park_in_force(directive, asking.now)
    if park is None or park.id != park_id:
        now = "is not parked" if park is None else told(park, asking.now)
        raise OpposedError(f"the park {park_id} is over: upstream {directive.upstream} {now}")
    if not park.lease:
        raise UnfitError("a park by a person ends when it was to end; it cannot be renewed")
    if not LEAST_LEASE <= seconds <= MOST_LEASE:
        raise UnfitError(f"a lease has {LEAST_LEASE} to {MOST_LEASE} seconds")
    later = replace(park, ends_at=asking.now + seconds)
    if admits is not None and admits != park.admits:
        return _asked(replace(directive, park=replace(later, admits=admits)))
    return replace(directive, revision=directive.revision + 1, park=later)


def unparked(
    directive: Directive, park_id: str | None, asking: Asking, *, force: bool
) -> Directive | None:
    """The directive without a park; ``None``: it has none.

    Args:
        directive: what is asked now.
        park_id: the park to end; ``None``: whichever there is.
        asking: who asks, and when.
        force: end also a lease, which the command that holds it counts on.

    Raises:
        OpposedError: it is another park, or a lease.
    """
    park = park_in_force(directive, asking.now)
    if park is None:
        return None
    if park_id is not None and park_id != park.id:
        raise OpposedError(
            f"the park {park_id} is over; another one is in force: upstream {directive.upstream} "
            f"{told(park, asking.now)}"
        )
    if park.lease and not force and not (park_id == park.id and park.by == asking.name):
        raise OpposedError(
            f"upstream {directive.upstream} {told(park, asking.now)}; the command that holds the "
            "park may be changing the database just now: let it end, or end the park with force"
        )
    return _asked(replace(directive, park=None))


def made_read_only(directive: Directive, read_only: ReadOnly, asking: Asking) -> Directive:
    """The directive with an upstream that is read-only.

    Raises:
        OpposedError: somebody else has made it so.
        UnfitError: the time or the sentence is not possible.
    """
    _require_fit(read_only.sentence)
    if not 1 <= read_only.ends_at - read_only.started_at <= MOST_READ_ONLY:
        raise UnfitError(f"an upstream is read-only for 1 to {MOST_READ_ONLY} seconds")
    before = read_only_in_force(directive, asking.now)
    if before is not None and before.by != read_only.by:
        raise OpposedError(
            f"upstream {directive.upstream} is read-only by '{before.by}' until "
            f"{clock(before.ends_at)}{_why(before.sentence)}"
        )
    return _asked(replace(directive, read_only=read_only))


def writable(
    directive: Directive, asking: Asking, read_only_id: str | None = None
) -> Directive | None:
    """The directive with an upstream that is not read-only; ``None``: it was not.

    Args:
        directive: what is asked now.
        asking: who asks, and when.
        read_only_id: of what is to end; ``None``: whichever there is.

    Raises:
        OpposedError: it is read-only for another reason than that one.
    """
    before = read_only_in_force(directive, asking.now)
    if before is None:
        return None
    if read_only_id is not None and read_only_id != before.id:
        raise OpposedError(
            f"what made upstream {directive.upstream} read-only is over; it is so again, by "
            f"'{before.by}' until {clock(before.ends_at)}{_why(before.sentence)}"
        )
    return _asked(replace(directive, read_only=None))


def park_in_force(directive: Directive, now: float) -> Park | None:
    """The park, unless it has ended by itself.  A lease does not: at its end it refuses."""
    park = directive.park
    return None if park is None or (now >= park.ends_at and not park.lease) else park


def read_only_in_force(directive: Directive, now: float) -> ReadOnly | None:
    """Why the upstream is read-only, unless that has ended."""
    found = directive.read_only
    return None if found is None or now >= found.ends_at else found


def told(park: Park, now: float) -> str:
    """A park in a clause: by whom, why and until when."""
    holder = " by a command, for" if park.lease else " by"
    if now >= park.ends_at:
        return (
            f"is parked{holder} '{park.by}'{_why(park.sentence)}; its lease ran out at "
            f"{clock(park.ends_at)}, and requests are refused until MLflow is known to be well"
        )
    return f"is parked{holder} '{park.by}' until {clock(park.ends_at)}{_why(park.sentence)}"


def clock(at: float) -> str:
    """A time as the API writes it, in UTC and to the second."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _asked(directive: Directive) -> Directive:
    revision = directive.revision + 1
    return replace(directive, revision=revision, asked=revision)


def _why(sentence: str) -> str:
    return f" ('{sentence}')" if sentence else ""


def _require_fit(sentence: str) -> None:
    if len(sentence) > SENTENCE_LENGTH:
        raise UnfitError(f"a sentence has at most {SENTENCE_LENGTH} characters")
    if not sentence.isprintable():
        raise UnfitError("a sentence is one line of printable characters")
