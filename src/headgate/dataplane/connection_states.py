"""The stages of a client connection, and every way from one to another, as data.

Theory of operation:

- A connection is in exactly one ``Stage``.  ``ClientConnection._enter`` is the one place that
  changes it, and the change is one of ``TRANSITIONS``.  Where a PROXY header must come, the
  connection is a ``ProxyHeaderConnection`` until it has.
- Each stage has one wait, which begins when the stage does: ``Stage.setting`` names the limit, or
  ``Stage.seconds`` has it.  In the stage ``body`` the wait begins anew whenever the client had
  reason to pause: time in which the gate does not read it does not count.
- ``Stage.expiry`` says what follows when the wait is over.
- One thing is no stage, since it can be so in any of them: that the client does not take what it
  has been sent (``ClientSide.writable``).  While it does not, the wait of the stage rests, and the
  client is judged every ``limits.body_timeout`` by how much it has read.

``docs/reference/connection-states.md`` is made from this module.
"""

from __future__ import annotations

import enum
import math
from typing import Final, NamedTuple

from headgate.config import Limits

LINGER_SECONDS: Final = 5.0
"""How long a connection that ends still reads: one unread byte would reset the response away."""


class Expiry(enum.Enum):
    """What follows when the wait of a stage is over."""

    NOTHING = "nothing: the stage has no wait of its own"
    CLOSE = "the connection is closed, unless it is still taking what it was sent"
    REFUSE = "the request is refused with 408, and the connection closed"
    JUDGE = "too little of the body came: the request is refused with 408; else the wait goes on"


class Stage:
    """One stage of a client connection.

    Attributes:
        number: its place in ``STAGES``.
        name: for people.
        meaning: what is so in it.
        setting: the limit that bounds the wait, empty if none does.
        seconds: the wait where no setting bounds it.
        expiry: what follows then.
    """

    __slots__ = ("expiry", "meaning", "name", "number", "seconds", "setting")

    def __init__(
        self,
        number: int,
        name: str,
        meaning: str,
        expiry: Expiry,
        *,
        setting: str = "",
        seconds: float = math.inf,
    ) -> None:
        self.number: Final = number
        self.name: Final = name
        self.meaning: Final = meaning
        self.expiry: Final = expiry
        self.setting: Final = setting
        self.seconds: Final = seconds

    def __repr__(self) -> str:
        return f"<Stage {self.name}>"

    def wait(self, limits: Limits) -> float:
        """Seconds that a connection may stay in this stage; infinite if any number."""
        return float(getattr(limits, self.setting)) if self.setting else self.seconds


PROXY_HEADER: Final = Stage(
    0,
    "proxy_header",
    "The connection is open, and its header of the PROXY protocol has not come whole. Only where "
    "`listen.proxy_protocol` or `ops.proxy_protocol` require one.",
    Expiry.CLOSE,
    setting="header_timeout",
)
NEW: Final = Stage(
    1,
    "new",
    "The connection is open, and nothing has come, or nothing after its PROXY header.",
    Expiry.CLOSE,
    setting="header_timeout",
)
IDLE: Final = Stage(
    2,
    "idle",
    "A response is complete, and nothing of the next request has come.",
    Expiry.CLOSE,
    setting="keepalive_timeout",
)
HEAD: Final = Stage(
    3, "head", "A part of a head has come.", Expiry.REFUSE, setting="header_timeout"
)
BODY: Final = Stage(
    4,
    "body",
    "A request is under way of whose body a part has yet to come.",
    Expiry.JUDGE,
    setting="body_timeout",
)
RESPONDING: Final = Stage(
    5,
    "responding",
    "The request has come whole, its response is not complete. MLflow is waited for, whose "
    "connection has a wait of its own; what the client sends meanwhile is held.",
    Expiry.NOTHING,
)
DISCARDING: Final = Stage(
    6,
    "discarding",
    "The response is complete before the request is: the rest of the body is short, and read over.",
    Expiry.CLOSE,
    setting="body_timeout",
)
BROKEN: Final = Stage(
    7,
    "broken",
    "What the client sends can no longer be told apart, since it is not HTTP or the gate has "
    "failed: this response is the last.",
    Expiry.NOTHING,
)
LINGERING: Final = Stage(
    8,
    "lingering",
    "The gate sends no more; what the client still sends is read over until it closes its side.",
    Expiry.CLOSE,
    seconds=LINGER_SECONDS,
)
CLOSING: Final = Stage(
    9,
    "closing",
    "The connection closes as soon as the client has taken what it was sent.",
    Expiry.CLOSE,
    setting="body_timeout",
)
CLOSED: Final = Stage(10, "closed", "The connection is over.", Expiry.NOTHING)

STAGES: Final = (
    PROXY_HEADER,
    NEW,
    IDLE,
    HEAD,
    BODY,
    RESPONDING,
    DISCARDING,
    BROKEN,
    LINGERING,
    CLOSING,
    CLOSED,
)


class Transition(NamedTuple):
    """One way from a stage to another, and when it is taken."""

    before: Stage
    after: Stage
    when: str


_PART = "a part of a head comes"
_HEAD = "a head is whole, its body is not"
_REQUEST = "a request is whole"
_UNCLEAR = "what has come is not HTTP"
_DRAIN = "the worker stops"
_LAST = "the response is complete, and the last one"

TRANSITIONS: Final = (
    Transition(PROXY_HEADER, NEW, "the header is whole"),
    Transition(NEW, HEAD, _PART),
    Transition(NEW, BODY, _HEAD),
    Transition(NEW, RESPONDING, _REQUEST),
    Transition(NEW, BROKEN, _UNCLEAR),
    Transition(NEW, LINGERING, _DRAIN),
    Transition(NEW, CLOSING, "too many connections are open"),
    Transition(IDLE, HEAD, _PART),
    Transition(IDLE, BODY, _HEAD),
    Transition(IDLE, RESPONDING, _REQUEST),
    Transition(IDLE, BROKEN, _UNCLEAR),
    Transition(IDLE, LINGERING, _DRAIN),
    Transition(IDLE, CLOSING, "the client has ended what it sends"),
    Transition(HEAD, BODY, _HEAD),
    Transition(HEAD, RESPONDING, _REQUEST),
    Transition(HEAD, BROKEN, "what has come is not HTTP, or its rest not in time"),
    Transition(HEAD, CLOSING, "the client has ended what it sends"),
    Transition(BODY, RESPONDING, "the body is whole"),
    Transition(BODY, DISCARDING, "the response is complete, the rest of the body short"),
    Transition(BODY, BROKEN, "the body breaks its framing"),
    Transition(BODY, LINGERING, _LAST),
    Transition(RESPONDING, IDLE, "the response is complete"),
    Transition(RESPONDING, BROKEN, "the gate has failed"),
    Transition(RESPONDING, LINGERING, _LAST + ", and the client has sent more"),
    Transition(RESPONDING, CLOSING, _LAST),
    Transition(DISCARDING, IDLE, "the body is whole"),
    Transition(DISCARDING, LINGERING, _DRAIN),
    Transition(BROKEN, LINGERING, "the response is complete"),
    Transition(LINGERING, CLOSING, "the client has ended what it sends"),
    Transition(CLOSING, LINGERING, "the client has taken what it was sent"),
    *(
        Transition(stage, CLOSED, "the connection ends, on either side")
        for stage in STAGES
        if stage is not CLOSED
    ),
)
