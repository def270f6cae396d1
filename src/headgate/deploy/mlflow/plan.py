"""``headgate mlflow plan``: what an upgrade would do, how long it takes, and what is in its way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headgate.deploy.mlflow.errors import HostError, NoSuchVersionError, ParkingError
from headgate.deploy.mlflow.estimate import Estimate, estimate
from headgate.deploy.mlflow.journal import Journal
from headgate.deploy.mlflow.records import ParkStanding, Version, Writer
from headgate.deploy.mlflow.site import Limits, Site
from headgate.deploy.mlflow.words import seconds_in_words, size_in_words

SPACE: Final = 1.2
"""The free space that a snapshot needs, in sizes of the database."""
LOOKS: Final = 3
"""So often the others who are connected are looked at."""
BETWEEN_LOOKS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """What was found.

    Attributes:
        host: as ``Host.name`` has it; ``database`` likewise.
        source: what runs now.
        target: what is to run.
        head: the schema of the database.
        size: of the database in bytes.
        migrations: the Alembic revisions that are applied, in order.
        way_back: how one returns, in a sentence.
        estimate: None if something is missing for it.
        gates: how many follow the upstream.
        problems: why an upgrade is refused, a sentence each.
        notes: what else to know.
        busy: who has parked the upstream, in a sentence; empty if nobody has.
    """

    host: str
    database: str
    source: Version
    target: Version | None
    head: str
    size: int
    migrations: tuple[str, ...]
    way_back: str
    estimate: Estimate | None
    gates: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    busy: str = ""

    @property
    def all_problems(self) -> list[str]:
        """Those that are the operator's, and that somebody else is at it."""
        return [*self.problems, *([self.busy] if self.busy else [])]

    def document(self) -> dict[str, Any]:
        """For ``--json``."""
        found = self.estimate
        return {
            "host": self.host,
            "database": self.database,
            "from": _version(self.source),
            "to": None if self.target is None else _version(self.target),
            "schema": self.head,
            "size": self.size,
            "migrations": list(self.migrations),
            "way_back": self.way_back,
            "estimate": None
            if found is None
            else {
                "seconds": round(found.total, 1),
                "snapshot": round(found.snapshot, 1),
                "migrate": round(found.migrate, 1),
                "start": round(found.start, 1),
                "other": found.other,
                "way_back": round(found.restore, 1),
                "proven_size": found.proven,
                "basis": found.basis,
            },
            "gates": self.gates,
            "problems": self.all_problems,
            "notes": list(self.notes),
        }


def _version(version: Version) -> dict[str, str]:
    return {"version": version.number, "schema": version.head, "place": version.place}


class Planning:
    """Looks at everything that an upgrade needs; nothing is changed."""

    def __init__(self, site: Site, limits: Limits, *, external: bool = False) -> None:
        self._site = site
        self._limits = limits
        self._external = external

    def plan(self, wanted: str, journal: Journal) -> Plan:
        """What an upgrade to a version would do.

        Raises:
            HeadgateError: the host or the database cannot be asked at all.
        """
        host, database = self._site.host, self._site.database
        source, head, size = host.current(), database.head(), database.size()
        problems: list[str] = []
        try:
            target = host.find(wanted)
        except NoSuchVersionError as error:
            target = None
            problems.append(str(error))
        migrations: tuple[str, ...] = ()
        found = None
        if target is not None:
            problems += self._of_schemas(source, target, head)
            migrations = _after(head, tuple(host.revisions(target)))
            same = source.head == target.head
            kind, external = database.kind, self._external
            found = estimate(kind, size, journal.measured, same_schema=same, external=external)
            problems += self._of_time(found, size)
        problems += host.obstacles()
        problems += self._of_database(size)
        gates, of_gates, busy = self._of_gates()
        return Plan(
            host.name(),
            database.name(),
            source,
            target,
            head,
            size,
            migrations,
            self._way_back(source, target),
            found,
            gates,
            (*problems, *of_gates),
            tuple(self._notes(journal)),
            busy,
        )

    def _of_schemas(self, source: Version, target: Version, head: str) -> Iterator[str]:
        if source.place == target.place:
            yield f"MLflow {target.number} is what runs already ({target.place})"
            return
        known = self._site.host.revisions(target)
        if head not in known:
            yield (
                f"the database has the schema {head}, which MLflow {target.number} does not know: "
                f"its own is {target.head}, so it is older than the database, or of another line. "
                "A schema cannot be migrated backwards; return with: "
                f"{self._site.command('rollback')}"
            )
        elif head != source.head:
            yield (
                f"the database has the schema {head}, and MLflow {source.number}, which is to run "
                f"now, wants {source.head}: versions are mixed, or an upgrade was left half done. "
                "Set the host to the version that the database belongs to first"
            )

    def _of_time(self, found: Estimate, size: int) -> Iterator[str]:
        if found.total > self._limits.maximum:
            yield (
                f"an upgrade of {size_in_words(size)} is estimated at {found.in_words()}. That "
                f"does not fit --max {seconds_in_words(self._limits.maximum)}; proven is "
                f"{size_in_words(found.proven)}. Clients of MLflow give up after about 4 minutes: "
                "make the database smaller (mlflow gc), or announce a longer time and give --max"
            )

    def _of_database(self, size: int) -> Iterator[str]:
        database, folder = self._site.database, self._site.folder
        if not self._external:
            yield from database.obstacles()
            needed, free = int(size * SPACE), folder.free()
            if free < needed:
                yield (
                    f"a snapshot needs up to {size_in_words(needed)}, and {folder.path()} has "
                    f"{size_in_words(free)} free: make room, or name another folder with --state"
                )
        for other in self._others():
            yield (
                f"somebody else is connected to the database: {other.words}. Stop it, since what "
                "it writes during the upgrade would be lost or break it"
            )

    def _others(self) -> Sequence[Writer]:
        """Who else is connected, and stays so.

        MLflow opens and closes connections all the time: one that it has closed meanwhile is none
        of its own any more, so what counts is seen in every look.
        """
        found: dict[tuple[str, int, int], Writer] | None = None
        for _ in range(LOOKS):
            if found is not None:
                self._site.clock.sleep(BETWEEN_LOOKS)
            others = self._site.host.others(self._site.database.writers())
            seen = {(each.address, each.port, each.pid): each for each in others}
            found = seen if found is None else {key: seen[key] for key in found if key in seen}
            if not found:
                return ()
        return tuple((found or {}).values())

    def _of_gates(self) -> tuple[int, tuple[str, ...], str]:
        """How many follow, what is wrong with them, and who has parked them."""
        try:
            standing = self._site.parking.look()
        except ParkingError as error:
            return 0, (str(error),), ""
        busy = f"the upstream is parked already, by {standing.by}" if standing.park else ""
        return len(standing.gates), tuple(_of_standing(standing)), busy

    def _way_back(self, source: Version, target: Version | None) -> str:
        if target is not None and source.head == target.head:
            return (
                f"the schema stays {source.head}, so MLflow {source.number} works on the database "
                "after the upgrade too; a snapshot is made all the same"
            )
        how = "a snapshot that you make and restore" if self._external else "the snapshot"
        return (
            f"a migration cannot be undone: the way back is {how}, and what clients write after "
            "the upgrade is lost on it"
        )

    def _notes(self, journal: Journal) -> Iterator[str]:
        if journal.in_progress is not None:
            yield "an upgrade or a rollback was begun here and has not ended"
        try:
            standing = self._site.host.look()
        except HostError as error:
            yield str(error)
            return
        if not standing.healthy:
            yield f"MLflow does not respond now: {standing.note}"


def _of_standing(standing: ParkStanding) -> Iterator[str]:
    if not standing.gates:
        yield "no gate is registered that could hold the clients"
    for each in standing.gates:
        if not each.acknowledged:
            yield (
                f"the gate {each.name} does not follow what is asked of its upstream "
                f"({each.state}): repair it, or remove it if it is gone"
            )


def _after(head: str, revisions: tuple[str, ...]) -> tuple[str, ...]:
    return revisions[revisions.index(head) + 1 :] if head in revisions else ()
