"""Events of the issuers of tokens and their keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headgate.events.event import Event, Level


@dataclass(frozen=True, slots=True)
class IssuerKeysChanged(Event):
    """An issuer has published other signing keys; each worker logs it when it has read them.

    Attributes:
        issuer: its name in the configuration.
        keys: how many keys are used now.
        added: how many of them are new.
        removed: how many are no longer used: their tokens are refused from now on.
    """

    name: ClassVar[str] = "issuer_keys_changed"
    logger: ClassVar[str] = "headgate.auth"

    issuer: str
    keys: int
    added: int
    removed: int

    def message(self) -> str:
        return (
            f"the issuer '{self.issuer}' has {self.keys} signing keys: {self.added} new, "
            f"{self.removed} gone"
        )


@dataclass(frozen=True, slots=True)
class IssuerKeysUnreadable(Event):
    """The signing keys of an issuer cannot be read; those that were read last stay in use.

    Attributes:
        issuer: its name in the configuration.
        reason: why.
        known: whether keys were read before; without them its tokens are refused with 503.
    """

    name: ClassVar[str] = "issuer_keys_unreadable"
    level: ClassVar[Level] = Level.ERROR
    logger: ClassVar[str] = "headgate.auth"

    issuer: str
    reason: str
    known: bool

    def message(self) -> str:
        effect = "the last ones stay in use" if self.known else "its tokens are refused with 503"
        return f"the keys of the issuer '{self.issuer}' cannot be read, {effect}: {self.reason}"


@dataclass(frozen=True, slots=True)
class IssuerKeysReadable(Event):
    """The signing keys of an issuer, which could not be read, can be read again.

    Attributes:
        issuer: its name in the configuration.
    """

    name: ClassVar[str] = "issuer_keys_readable"
    logger: ClassVar[str] = "headgate.auth"

    issuer: str

    def message(self) -> str:
        return f"the keys of the issuer '{self.issuer}' can be read again"


@dataclass(frozen=True, slots=True)
class IssuerKeyUnusable(Event):
    """A signing key of an issuer is left out: it is broken, too weak, or secret.

    Attributes:
        issuer: its name in the configuration.
        reason: which key, and why.
    """

    name: ClassVar[str] = "issuer_key_unusable"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.auth"

    issuer: str
    reason: str

    def message(self) -> str:
        return f"the issuer '{self.issuer}' publishes a key that is not used, {self.reason}"
