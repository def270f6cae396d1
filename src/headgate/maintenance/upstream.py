"""The maintenance of one upstream in one worker: follows what is asked, and says what may pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from headgate.events import (
    Emit,
    ParkBegan,
    ParkDrained,
    ParkLapsed,
    ParkOver,
    ParkReleased,
    ReadOnlyBegan,
    ReadOnlyOver,
    discard,
)
from headgate.maintenance.directive import Directive, Park, ReadOnly
from headgate.maintenance.sharing import Sharing
from headgate.maintenance.states import BY_STATE, Admission, Cause, ParkState, after
from headgate.model import Principal

_SERVING: Final = ParkState.SERVING
_EVENTS: Final = {
    ParkState.SERVING: ParkReleased,
    ParkState.DRAINING: ParkBegan,
    ParkState.PARKED: ParkDrained,
    ParkState.REFUSING: ParkLapsed,
    ParkState.RELEASING: ParkOver,
}
"""What has happened when a state is entered."""
_MOST_STEPS: Final = 4
"""Transitions that one moment can lead through; the table allows no more."""
_BEHIND: Final = (
    ParkState.PARKED,
    ParkState.REFUSING,
    ParkState.DRAINING,
    ParkState.SERVING,
    ParkState.RELEASING,
)
"""Where one part of an upstream stands so and another so, the later of both is that of the whole:
it is parked once all parts are, and serves once all do."""


class Standing(NamedTuple):
    """How an upstream stands, for the acknowledgement of a directive.

    Attributes:
        revision: that of the directive which is followed.
        state: where it is.
        in_flight: requests under way at MLflow; in the state ``parked`` none, since the
            requests of the credential that the park admits do not count there.
        waiting: requests that are held.
        writing: those of ``in_flight`` that may change something; counted while the upstream is
            read-only, 0 otherwise.
    """

    revision: int
    state: ParkState
    in_flight: int
    waiting: int
    writing: int = 0


def merged(standings: Sequence[Standing]) -> Standing:
    """How several parts of one upstream stand together: as the one that is behind the others.

    Args:
        standings: of the parts, at least one.
    """
    return Standing(
        min(each.revision for each in standings),
        max((each.state for each in standings), key=_BEHIND.index),
        sum(each.in_flight for each in standings),
        sum(each.waiting for each in standings),
        sum(each.writing for each in standings),
    )


class UpstreamMaintenance:
    """Follows the directive of one upstream.

    It knows no clock: its callers say what time it is, in seconds since the epoch.

    Args:
        upstream: its name.
        emit: takes the events.

    Attributes:
        directive: the one that is followed.
        state: where the upstream is.
        asked: whether anything is asked, or was and is not over: requests must be looked at.
        is_read_only: whether requests that may change something are refused, as of the last
            ``follow``.
        sharing: who else has requests for the upstream.
        on_change: called whenever another directive is followed.
    """

    def __init__(self, upstream: str, emit: Emit = discard) -> None:
        self.directive = Directive(upstream)
        self.state = _SERVING
        self.asked = False
        self.sharing = Sharing()
        self.on_change: Callable[[], None] = _nothing
        self._emit = emit
        self._in_flight = 0
        self._waiting = 0
        self._writing = 0
        self.is_read_only = False
        self._followed = ""  # the park that was in force last
        # A park that is over stays over, also for a clock that is set back.
        self._over: Park | None = None
        self._written_again: ReadOnly | None = None

    def take(self, directive: Directive) -> None:
        """Follow a directive from now on; the same one again changes nothing."""
        if directive == self.directive:
            return
        self.directive = directive
        self.asked = True
        self.on_change()

    def follow(
        self,
        now: float,
        in_flight: int,
        waiting: int,
        writing: int = 0,
        *,
        overdue: bool = False,
    ) -> None:
        """Go on to the state that is due.

        Args:
            now: the time.
            in_flight: requests under way at MLflow.
            waiting: requests that are held.
            writing: those under way that may change something.
            overdue: whether the requests that were held have had their time to go on.
        """
        causes = self._causes(now, in_flight, waiting)
        if overdue:
            causes |= {Cause.OVERDUE}
        for _ in range(_MOST_STEPS):
            state = after(self.state, causes)
            if state is self.state:
                break
            self.state = state
            self._emit(_EVENTS[state](self.directive.upstream, self._park_id(), in_flight, waiting))
        self._followed = self._park_id()
        self._in_flight, self._waiting = in_flight, waiting
        is_read_only = self.writes_refused(now) is not None
        self._writing = writing if is_read_only else 0
        if is_read_only is not self.is_read_only:
            self.is_read_only = is_read_only
            name = self.directive.upstream
            self._emit(ReadOnlyBegan(name) if is_read_only else ReadOnlyOver(name))
        self.asked = self.state is not _SERVING or self.read_only is not None

    def _park_id(self) -> str:
        park = self.directive.park
        return park.id if park is not None else self._followed

    def _causes(self, now: float, in_flight: int, waiting: int) -> frozenset[Cause]:
        park = self.park_in_force(now)
        causes = set()
        if park is None:
            causes.add(Cause.OPEN)
        elif now >= park.ends_at:
            causes.add(Cause.LAPSED)
        else:
            causes.add(Cause.PARK)
            if park.id != self._followed and in_flight:
                causes.add(Cause.ANOTHER_PARK)
        if not in_flight:
            causes.add(Cause.DRAINED)
        if not waiting and not self.sharing.waiting:
            causes.add(Cause.NONE_WAITS)
        return frozenset(causes)

    def park_in_force(self, now: float) -> Park | None:
        """The park that keeps requests from MLflow, a lease that has run out among them."""
        park = self.directive.park
        if park is None or park == self._over:
            return None
        if now >= park.ends_at and not park.lease:
            self._over = park
            return None
        return park

    @property
    def read_only(self) -> ReadOnly | None:
        """What was asked for last of writes, if that is not over."""
        found = self.directive.read_only
        return None if found == self._written_again else found

    def writes_refused(self, now: float) -> ReadOnly | None:
        """Why a request that would change something is refused; ``None``: it is not."""
        found = self.read_only
        if found is not None and now >= found.ends_at:
            self._written_again = found
            return None
        return found

    def remaining(self, now: float) -> float:
        """Seconds until the park is over; infinite where nobody knows, as with a lease."""
        park = self.park_in_force(now)
        return math.inf if park is None or park.lease else park.ends_at - now

    def age(self, now: float) -> float:
        """Seconds since the park began; 0 if none is in force."""
        park = self.park_in_force(now)
        return 0.0 if park is None else now - park.started_at

    def parked_text(self, now: float) -> str:
        """A clause for a client: until when it is parked, and why."""
        park = self.park_in_force(now)
        if park is None:
            return "it was parked for maintenance, and those who waited go on in their turn"
        if now >= park.ends_at:
            end = f"it is not known to be well again; this was due {_clock_time(park.ends_at)}"
        elif park.lease:
            end = "until that is done"
        else:
            end = f"until {_clock_time(park.ends_at)} at the latest"
        return f"it is parked for maintenance, {end}{_said(park.sentence)}"

    def writes_refused_text(self, refused: ReadOnly) -> str:
        """A clause for a client: until when nothing can be changed, and why."""
        until = _clock_time(refused.ends_at)
        return f"it is read-only until {until} at the latest{_said(refused.sentence)}"

    def passes(self, principal: Principal | None) -> bool:
        """Whether a request goes to MLflow in every state; ``None``: it is the gate's own."""
        if principal is None:
            return True
        park = self.directive.park
        return park is not None and park.admits != "" and park.admits == principal.credential

    @property
    def is_parked(self) -> bool:
        """Whether the health pages say so."""
        return BY_STATE[self.state].health != ""

    @property
    def answers(self) -> bool:
        """Whether the gate itself answers what clients ask without patience."""
        return BY_STATE[self.state].answers

    @property
    def admission(self) -> Admission:
        """What becomes of a new request."""
        return BY_STATE[self.state].admission

    def report(self) -> Standing:
        """How it stands, as of the last ``follow``."""
        in_flight = 0 if self.state is ParkState.PARKED else self._in_flight
        return Standing(
            self.directive.revision, self.state, in_flight, self._waiting, self._writing
        )


def _clock_time(moment: float) -> str:
    """A moment for a person anywhere."""
    return datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%S UTC on %d %B %Y")


def _said(sentence: str) -> str:
    """What the operator has said of it."""
    return f" ({sentence})" if sentence else ""


def _nothing() -> None:
    """Nobody wants to know."""
