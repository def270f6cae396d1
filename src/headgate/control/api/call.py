"""One request to the admin API that was read, and what is done for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headgate.control.api.sender import Sender
from headgate.control.api.values import Model
from headgate.events import Change
from headgate.identity import Actor, Administration
from headgate.model import Action


@dataclass(frozen=True, slots=True)
class Call:
    """What the function of an endpoint works with, in the thread of the key store.

    Attributes:
        administration: the rules, and the store.
        sender: who asks.
        target: the id in the path; empty if the path has none.
    """

    administration: Administration
    sender: Sender
    target: str

    @property
    def actor(self) -> Actor:
        """On whose behalf it is done."""
        return Actor(self.sender.id, self.sender.name, self.sender.grants)

    @property
    def may_administer(self) -> bool:
        """Whether who asks may see from where keys are used."""
        return self.sender.may(Action.ADMINISTER, "gate")


@dataclass(frozen=True, slots=True)
class Noted:
    """A change to note in the event log; ``detail`` never has a secret."""

    change: Change
    target: str
    target_id: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What an endpoint has done: its response, and what there is to note."""

    response: Model
    noted: tuple[Noted, ...] = ()


Handle = Callable[[Call, Any], Done]
"""Does it; the second argument is the body of a write, or the query of a read, or ``None``."""
