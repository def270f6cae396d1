"""Events of upstreams under maintenance, as each worker follows what operators ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headgate.events.event import Event, Level


@dataclass(frozen=True, slots=True)
class ParkEvent(Event):
    """Something happened to a park.

    Attributes:
        upstream: which is parked.
        park: the id of the park; empty where none is known.
        in_flight: requests under way at MLflow.
        waiting: requests that are held.
    """

    logger: ClassVar[str] = "headgate.maintenance"

    upstream: str
    park: str
    in_flight: int
    waiting: int

    def _counts(self) -> str:
        return f"{self.in_flight} requests under way, {self.waiting} held"


class ParkBegan(ParkEvent):
    """An upstream is parked: new requests are held, those under way finish."""

    __slots__ = ()
    name: ClassVar[str] = "park_began"

    def message(self) -> str:
        return f"upstream {self.upstream} is parked: {self._counts()}"


class ParkDrained(ParkEvent):
    """MLflow executes no request from before the park any more."""

    __slots__ = ()
    name: ClassVar[str] = "park_drained"

    def message(self) -> str:
        return f"upstream {self.upstream} is drained: {self._counts()}"


class ParkLapsed(ParkEvent):
    """The command that held a park has neither renewed nor ended it: requests are refused."""

    __slots__ = ()
    name: ClassVar[str] = "park_lapsed"
    level: ClassVar[Level] = Level.WARNING

    def message(self) -> str:
        return (
            f"the lease of the park of upstream {self.upstream} has run out: new requests are "
            f"refused until it is renewed or ended; {self._counts()}"
        )


class ParkOver(ParkEvent):
    """A park is over: those that were held go on."""

    __slots__ = ()
    name: ClassVar[str] = "park_over"

    def message(self) -> str:
        return f"upstream {self.upstream} is no longer parked: {self._counts()}"


class ParkReleased(ParkEvent):
    """The last request that was held has gone on."""

    __slots__ = ()
    name: ClassVar[str] = "park_released"

    def message(self) -> str:
        return f"upstream {self.upstream} serves as before: {self._counts()}"


@dataclass(frozen=True, slots=True)
class ReadOnlyEvent(Event):
    """Whether requests that would change something are refused is another than before.

    Attributes:
        upstream: of which that is so.
    """

    logger: ClassVar[str] = "headgate.maintenance"

    upstream: str


class ReadOnlyBegan(ReadOnlyEvent):
    """Requests that would change something are refused from now on."""

    __slots__ = ()
    name: ClassVar[str] = "read_only_began"

    def message(self) -> str:
        return f"upstream {self.upstream} is read-only"


class ReadOnlyOver(ReadOnlyEvent):
    """Requests that change something are served again."""

    __slots__ = ()
    name: ClassVar[str] = "read_only_over"

    def message(self) -> str:
        return f"upstream {self.upstream} is no longer read-only"
