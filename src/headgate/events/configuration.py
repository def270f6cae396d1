"""Events of the configuration in force and of the certificates that it names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headgate.events.event import Event, Level


@dataclass(frozen=True, slots=True)
class ConfigurationReloaded(Event):
    """A changed configuration is in force."""

    name: ClassVar[str] = "configuration_reloaded"
    logger: ClassVar[str] = "headgate.runtime"

    def message(self) -> str:
        return "configuration reloaded"


@dataclass(frozen=True, slots=True)
class ConfigurationRefused(Event):
    """A changed configuration has a problem: the one in force stays.  One event for each problem.

    Attributes:
        problem: the setting and what is wrong with it.
    """

    name: ClassVar[str] = "configuration_refused"
    level: ClassVar[Level] = Level.ERROR
    logger: ClassVar[str] = "headgate.runtime"

    problem: str

    def message(self) -> str:
        return f"configuration not reloaded: {self.problem}"


@dataclass(frozen=True, slots=True)
class RestartNeeded(Event):
    """A changed configuration has settings that take effect only after a restart.

    Attributes:
        settings: the settings.
        changes: each of them with its value as written and as in force.
    """

    name: ClassVar[str] = "restart_needed"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.runtime"

    settings: tuple[str, ...]
    changes: tuple[str, ...]

    def message(self) -> str:
        return f"not in force before a restart: {'; '.join(self.changes)}"


@dataclass(frozen=True, slots=True)
class CertificateReloaded(Event):
    """The listener's changed certificate files are in use for new connections."""

    name: ClassVar[str] = "certificate_reloaded"
    logger: ClassVar[str] = "headgate.runtime"

    def message(self) -> str:
        return "certificate reloaded"


@dataclass(frozen=True, slots=True)
class CertificateRefused(Event):
    """The listener's changed certificate files cannot be used: the old ones stay in use.

    Attributes:
        problem: the file and what is wrong with it.
    """

    name: ClassVar[str] = "certificate_refused"
    level: ClassVar[Level] = Level.ERROR
    logger: ClassVar[str] = "headgate.runtime"

    problem: str

    def message(self) -> str:
        return f"certificate not reloaded: {self.problem}"


@dataclass(frozen=True, slots=True)
class CertificateEndsSoon(Event):
    """A certificate that the configuration names ends within 30 days; logged once a day.

    Attributes:
        setting: the setting that names it.
        file: the file.
        days_left: days until it ends; negative after that.
        when: when it ends, for a person.
    """

    name: ClassVar[str] = "certificate_ends_soon"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.runtime"

    setting: str
    file: str
    days_left: float
    when: str

    def message(self) -> str:
        return f"the certificate in {self.file} ({self.setting}) {self.when}"


class CertificateEnded(CertificateEndsSoon):
    """A certificate that the configuration names is no longer valid; logged once a day."""

    __slots__ = ()
    name: ClassVar[str] = "certificate_ended"
    level: ClassVar[Level] = Level.ERROR
