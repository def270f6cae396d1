"""The park of one upgrade or rollback: drained, guarded and ended."""

from __future__ import annotations

from typing import Final

from headgate.deploy.mlflow.errors import ParkingError, ParkLostError
from headgate.deploy.mlflow.journal import Move
from headgate.deploy.mlflow.records import GateStanding
from headgate.deploy.mlflow.site import Limits, Site
from headgate.deploy.mlflow.waiting import until

LATE_SECONDS: Final = 30.0
"""For how long a park may still come that was asked for without a response: a gate responds after
15 s without its store, which may do it all the same."""


def sentence_of(move: Move) -> str:
    """Why it is parked, for clients and operators; the id of the move makes it unlike any other."""
    return f"MLflow is changed from {move.source.number} to {move.target.number} ({move.id})"


class Parked:
    """Parks, waits and unparks for one move."""

    def __init__(self, site: Site, limits: Limits, move: Move) -> None:
        self._site = site
        self._limits = limits
        self._sentence = sentence_of(move)
        self._since: float | None = None
        self._may_come = False  # a park that was asked for, without a response
        self.seconds = 0.0
        """For how long this command has kept the clients waiting."""

    def park(self, credential: str) -> str:
        """Park, or take the park over that a command before has made; its id.

        Raises:
            ParkingError: the gates do not do it.
        """
        parking = self._site.parking
        self._since = self._site.clock.monotonic()
        held = parking.held(self._sentence)
        if held:
            parking.resume(held, credential)
            return held
        self._may_come = True
        try:
            park = parking.park(self._sentence, credential)
        except ParkingError as error:
            self._may_come = error.retryable
            raise
        self._may_come = False
        return park

    def resume(self, park: str, credential: str) -> None:
        """Go on with the park of a command before.

        Raises:
            ParkLostError: it is not in force any more.
            ParkingError: the gates do not do it.
        """
        self._since = self._site.clock.monotonic()
        self._site.parking.resume(park, credential)

    def drained(self, limit: float) -> str:
        """Wait until every gate follows and nothing is in flight; what was found, in words.

        Raises:
            TimedOutError: that is not so in time.
            ParkingError: the gates cannot be asked.
        """
        until(self._site, self._unacknowledged, self._limits.acknowledge, limit)
        until(self._site, self._in_flight, self._limits.drain, limit)
        gates = self._site.parking.look().gates
        return f"{len(gates)} gates, {sum(each.waiting for each in gates)} requests wait"

    def _unacknowledged(self) -> str:
        standing = self._site.parking.look()
        if standing.acknowledged:
            return ""
        missing = [each.name for each in standing.gates if not each.acknowledged]
        return f"not every gate follows the park: {', '.join(missing) or 'none is registered'}"

    def _in_flight(self) -> str:
        standing = self._site.parking.look()
        if standing.drained:
            return ""
        return f"requests are in flight: {', '.join(map(_busy, standing.gates))}"

    def guard(self) -> None:
        """Notice that somebody has ended the park.

        Raises:
            ParkLostError: so it is.
        """
        try:
            self._site.parking.look()
        except ParkLostError:
            raise
        except ParkingError as error:  # the lease says how long that may go on
            self._site.say(f"the gate could not be asked, which is tried again: {error}")

    def unpark(self, move: Move) -> str:
        """Let the clients go on; what was found, in words.

        Raises:
            ParkingError: the gates do not do it.
            TimedOutError: they could not be asked.
        """
        park, clock = move.park, self._site.clock
        late = LATE_SECONDS if self._may_come else 0.0
        comes_until = clock.monotonic() + late

        def waiting() -> str:
            nonlocal park
            park = park or self._site.parking.held(self._sentence)
            if park:
                self._site.parking.unpark(park)
            elif clock.monotonic() < comes_until:
                return "the gates have not said whether they have parked"
            return ""

        until(self._site, waiting, self._limits.unpark + late, float("inf"))
        if self._since is not None:
            self.seconds = self._site.clock.monotonic() - self._since
        return ""

    def leave(self) -> None:
        """Leave the park as it is."""
        if self._since is not None:
            self.seconds = self._site.clock.monotonic() - self._since
        self._site.parking.leave()

    def dismiss(self, credential: str) -> None:
        """Revoke the credential; it expires by itself if that fails."""
        try:
            self._site.parking.dismiss(credential)
        except ParkingError as error:
            self._site.say(f"the key {credential} could not be revoked: {error}")


def _busy(gate: GateStanding) -> str:
    return f"{gate.name} has {gate.in_flight}"
