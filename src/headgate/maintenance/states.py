"""The states of an upstream under maintenance, and every way from one to another, as data.

Theory of operation:

- An upstream is in exactly one ``ParkState`` in each worker.  ``UpstreamMaintenance.follow`` is the
  one place that changes it, and the change is one of ``TRANSITIONS``.
- What leads from one state to another is a ``Cause``, which is true or not at a moment: it depends
  on what operators ask for, on the wall clock, and on the requests that are under way and waiting.
- ``State.admission`` says what becomes of a new request.  The credential that a park admits, and
  the gate's own health checks, pass in every state.

``docs/reference/parking-states.md`` is made from this module.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final, NamedTuple


class ParkState(enum.StrEnum):
    """What becomes of the requests for an upstream."""

    SERVING = "serving"
    DRAINING = "draining"
    PARKED = "parked"
    REFUSING = "refusing"
    RELEASING = "releasing"


class Admission(enum.Enum):
    """What becomes of a new request."""

    PASS = "it goes to MLflow"  # noqa: S105 - no password
    HOLD = "it is held, for as long as its client can wait; then it is refused"
    REFUSE = "it is refused immediately, with 429 and `Retry-After`"
    QUEUE = "it is held behind those that wait already, and goes to MLflow in its turn"


class Cause(enum.Enum):
    """What can be true of an upstream at a moment."""

    PARK = "a park is in force"
    ANOTHER_PARK = (
        "another park has taken the place of the one in force, and requests that the earlier one "
        "admitted are under way"
    )
    LAPSED = "the lease of a park has run out, and it was neither renewed nor ended"
    OPEN = "no park is in force: it was ended, or has come to its end and was no lease"
    DRAINED = "no request from before the park is under way any more"
    NONE_WAITS = (
        "no request waits any more, neither in this worker nor, by what they said last, in the "
        "others of all gates"
    )
    OVERDUE = "the release has lasted for `parking.release_max`"


class State(NamedTuple):
    """One state.

    Attributes:
        state: which.
        meaning: what is so in it.
        admission: what becomes of a new request.
        waiting: what becomes of those that are held.
        answers: whether the gate itself answers for MLflow what clients ask without patience:
            whether it is well, and which version it is.
        health: the word of the health pages; none where they say nothing of it.
    """

    state: ParkState
    meaning: str
    admission: Admission
    waiting: str
    answers: bool
    health: str


STATES: Final = (
    State(
        ParkState.SERVING,
        "Nothing is asked.",
        Admission.PASS,
        "None is held.",
        False,
        "",
    ),
    State(
        ParkState.DRAINING,
        "The upstream is parked, and requests from before are still under way at MLflow.",
        Admission.HOLD,
        "They wait.",
        True,
        "parked",
    ),
    State(
        ParkState.PARKED,
        "The upstream is parked, and MLflow executes no request of a client, but for those of the "
        "credential that the park admits.",
        Admission.HOLD,
        "They wait.",
        True,
        "parked",
    ),
    State(
        ParkState.REFUSING,
        "A command held the park, and its lease has run out. Nobody has said whether MLflow is "
        "well, so no request goes there.",
        Admission.REFUSE,
        "They wait until their time is over; a lease that is renewed finds them.",
        True,
        "parked",
    ),
    State(
        ParkState.RELEASING,
        "The park is over, and those that were held go on: a few at first, and more as MLflow "
        "responds, but of all workers of all gates together no more than `parking.release_limit` "
        "at a time.",
        Admission.QUEUE,
        "They go on in their turn, fairly between principals, the oldest of each first.",
        False,
        "",
    ),
)
BY_STATE: Final[Mapping[ParkState, State]] = {each.state: each for each in STATES}


class Transition(NamedTuple):
    """One way from a state to another, and what leads there."""

    before: ParkState
    after: ParkState
    cause: Cause


# Where several causes are true, the upper line decides.
TRANSITIONS: Final = (
    Transition(ParkState.SERVING, ParkState.DRAINING, Cause.PARK),
    Transition(ParkState.SERVING, ParkState.REFUSING, Cause.LAPSED),
    Transition(ParkState.DRAINING, ParkState.RELEASING, Cause.OPEN),
    Transition(ParkState.DRAINING, ParkState.REFUSING, Cause.LAPSED),
    Transition(ParkState.DRAINING, ParkState.PARKED, Cause.DRAINED),
    Transition(ParkState.PARKED, ParkState.RELEASING, Cause.OPEN),
    Transition(ParkState.PARKED, ParkState.REFUSING, Cause.LAPSED),
    Transition(ParkState.PARKED, ParkState.DRAINING, Cause.ANOTHER_PARK),
    Transition(ParkState.REFUSING, ParkState.RELEASING, Cause.OPEN),
    Transition(ParkState.REFUSING, ParkState.DRAINING, Cause.PARK),
    Transition(ParkState.RELEASING, ParkState.DRAINING, Cause.PARK),
    Transition(ParkState.RELEASING, ParkState.REFUSING, Cause.LAPSED),
    Transition(ParkState.RELEASING, ParkState.SERVING, Cause.NONE_WAITS),
    Transition(ParkState.RELEASING, ParkState.SERVING, Cause.OVERDUE),
)


def after(state: ParkState, causes: frozenset[Cause]) -> ParkState:
    """The state that follows ``state`` while ``causes`` are true; the same if none does."""
    for each in TRANSITIONS:
        if each.before is state and each.cause in causes:
            return each.after
    return state
