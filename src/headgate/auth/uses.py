"""Notes when credentials are used, and from where, with no clock read and nothing written.

A request compares two numbers; once a second, the first one with each credential makes a note.
"""

from __future__ import annotations

from typing import Final


class UseLog:
    """What was used since ``take`` was last called.

    Attributes:
        now: whole seconds since the epoch, for ``advance`` to move on.
    """

    __slots__ = ("_noted", "now")

    def __init__(self, now: int = 0) -> None:
        self.now = now
        self._noted: list[Use] = []

    def advance(self, now: int) -> None:
        """Go on to ``now``, in whole seconds since the epoch."""
        self.now = now

    def add(self, use: Use) -> None:
        """Remember a use until it is taken."""
        self._noted.append(use)

    def take(self) -> list[Use]:
        """What was used, each once; from now on what is used then."""
        noted, self._noted = self._noted, []
        for use in noted:
            use.is_noted = False
        return noted


class Use:
    """The last use of one credential.

    Attributes:
        credential: its id.
        log: where it is noted.
        at: when, in whole seconds since the epoch; 0: never.
        address: from which address.
        is_noted: whether the log has it.
    """

    __slots__ = ("address", "at", "credential", "is_noted", "log")

    def __init__(self, credential: str, log: UseLog) -> None:
        self.credential: Final = credential
        self.log: Final = log
        self.at = 0
        self.address = ""
        self.is_noted = False

    def note(self, address: str) -> None:
        """It is used now, from ``address``."""
        log = self.log
        if self.at != log.now:
            self.at = log.now
            self.address = address
            if not self.is_noted:
                self.is_noted = True
                log.add(self)
