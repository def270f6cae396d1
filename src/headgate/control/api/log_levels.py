"""The endpoints about log levels: which part of the gate logs how much, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from headgate.control.api import schema
from headgate.control.api.reading import BadRequestError, read_body, read_query
from headgate.control.api.refusals import refuse, respond, written
from headgate.control.api.sender import SENDER_HEADER, Sender, read_sender
from headgate.events import Emit, Level, LogLevelSet
from headgate.identity import NotAllowed
from headgate.identity.documents import timestamp
from headgate.model import Action
from headgate.telemetry.log_control import MODULES, USUAL, LogControl

ALL = "all"


@dataclass(frozen=True, slots=True)
class LogLevelFacts:
    """What the endpoints work with.

    Attributes:
        control: what all processes of the gate agree on.
        look: makes this process follow it now.
    """

    control: LogControl = field(default_factory=LogControl)
    look: Callable[[], None] = lambda: None


class LogLevelPages:
    """The handlers.

    Args:
        facts: what they work with.
        clock: seconds since the epoch.
        emit: takes the events.
    """

    def __init__(self, facts: LogLevelFacts, clock: Callable[[], float], emit: Emit) -> None:
        self._facts = facts
        self._clock = clock
        self._emit = emit

    async def show(self, request: Request) -> Response:
        """Show the level of each module."""
        try:
            read_query(request, None)
        except BadRequestError as error:
            return refuse(error, writes=False)
        return self._shown()

    async def set(self, request: Request) -> Response:
        """Set the level of a module for a while."""
        try:
            read_query(request, None)
            asked = await read_body(request, schema.LogLevelChange, optional=False)
            sender = _administrator(request)
        except (BadRequestError, NotAllowed) as error:
            return refuse(error, writes=True)
        self._facts.control.set(asked.module, Level(asked.level), asked.seconds)
        return self._done(sender, asked.module, asked.level, float(asked.seconds))

    async def reset(self, request: Request) -> Response:
        """Put one module, or all, back at the usual level."""
        try:
            read_query(request, None)
            asked = await read_body(request, schema.LogLevelReset, optional=False)
            sender = _administrator(request)
        except (BadRequestError, NotAllowed) as error:
            return refuse(error, writes=True)
        for module in MODULES if asked.module == ALL else (asked.module,):
            self._facts.control.reset(module)
        return self._done(sender, asked.module, USUAL.value, None)

    def _done(self, sender: Sender, module: str, level: str, seconds: float | None) -> Response:
        self._emit(
            LogLevelSet(
                module,
                level,
                seconds,
                actor=sender.name,
                actor_id=sender.id,
                credential=sender.credential,
            )
        )
        self._facts.look()
        return self._shown()

    def _shown(self) -> Response:
        now = self._clock()
        levels = {each.module: each for each in self._facts.control.levels()}
        shown = []
        for module in MODULES:
            found = levels.get(module)
            shown.append(
                schema.LogLevel(
                    module=module,
                    level=(USUAL if found is None else found.level).value,
                    ends_at=None if found is None else timestamp(int(now + found.seconds_left)),
                )
            )
        return respond(written(schema.LogLevelList(modules=shown)), 200)


def _administrator(request: Request) -> Sender:
    """Who asks, as the data plane has authenticated them.

    Raises:
        NotAllowed: they may not administer the gate.
    """
    sender = read_sender(request.headers[SENDER_HEADER])
    if not sender.may(Action.ADMINISTER, "gate"):
        raise NotAllowed("to change log levels, you need the grant administer:gate")
    return sender
