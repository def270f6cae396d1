"""What a plan says, and everything that it refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headgate.deploy.mlflow.beginning import journal_of
from headgate.deploy.mlflow.estimate import MEASURED, estimate
from headgate.deploy.mlflow.journal import Measured
from headgate.deploy.mlflow.plan import Plan, Planning
from headgate.deploy.mlflow.records import Kind, Writer
from headgate.deploy.mlflow.site import Limits
from tests.unit.deploy.mlflow.memory_world import NEW, OLD, OLDER, World
from tests.unit.deploy.mlflow.scene import site_of


def plan_of(world: World, wanted: str = NEW.number, maximum: float = 240.0) -> Plan:
    """``headgate mlflow plan``."""
    site = site_of(world)
    return Planning(site, Limits(maximum=maximum)).plan(wanted, journal_of(site))


def test_a_plan_has_both_schemas_the_migrations_and_the_way_back() -> None:
    """And changes nothing."""
    world = World()
    found = plan_of(world)
    assert found.problems == ()
    assert (found.source, found.target, found.head) == (OLD, NEW, OLD.head)
    assert found.migrations == ("c", "d")
    assert "a migration cannot be undone" in found.way_back
    assert found.estimate is not None
    assert "268 MiB of SQLite" in found.estimate.basis
    assert (world.text, world.park, world.runs) == (None, "", OLD.place)


def world_with(**values: object) -> Callable[[], World]:
    """Makes a world in which something is wrong."""
    return lambda: World(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "wanted", "said"),
    [
        (World, "9.9.9", "there is no MLflow 9.9.9"),
        (World, OLDER.number, "which MLflow 3.13.0 does not know: its own is a, so it is older"),
        (World, OLD.number, "is what runs already"),
        (world_with(head="a"), NEW.number, "versions are mixed, or an upgrade was left half done"),
        (world_with(head="d"), NEW.number, "versions are mixed"),
        (world_with(free=11_000_000), NEW.number, "a snapshot needs up to 11.4 MiB"),
        (
            world_with(strangers=[Writer("role 'ml' from 10.0.0.7 (jobs)")]),
            NEW.number,
            "somebody else is connected to the database: role 'ml' from 10.0.0.7",
        ),
        (world_with(problems=["it is on nfs"]), NEW.number, "it is on nfs"),
        (world_with(deaf=True), NEW.number, "the gate gate-1 does not follow"),
        (world_with(park="p"), NEW.number, "the upstream is parked already, by alice"),
        (
            world_with(size=5_000_000_000),
            NEW.number,
            "does not fit --max 240 s; proven is 268.4 MiB",
        ),
    ],
)
def test_what_is_refused(make: Callable[[], World], wanted: str, said: str) -> None:
    """One sentence each."""
    (problem,) = plan_of(make(), wanted).all_problems
    assert said in problem


def test_a_longer_time_may_be_given() -> None:
    """A large database is a question of the time that was announced."""
    assert plan_of(World(size=2_000_000_000)).problems
    assert not plan_of(World(size=2_000_000_000), maximum=900.0).problems


def test_the_document_has_the_estimate_in_its_parts() -> None:
    """For ``--json``."""
    document = plan_of(World()).document()
    parts = document["estimate"]
    whole = parts["snapshot"] + parts["migrate"] + parts["start"] + parts["other"]
    assert parts["seconds"] == pytest.approx(whole, abs=0.3)
    assert document["from"]["version"] == OLD.number


def estimated(kind: Kind, size: int, *measured: Measured) -> float:
    """Seconds in all."""
    return estimate(kind, size, measured, same_schema=False, external=False).total


@pytest.mark.parametrize("kind", Kind)
def test_a_larger_database_takes_longer(kind: Kind) -> None:
    """More than proportionally never less, and a small one takes its fixed part."""
    proven = MEASURED[kind].database
    sizes = (0, proven // 2, proven, 2 * proven, 10 * proven)
    found = [estimated(kind, size) for size in sizes]
    assert found == sorted(found)
    assert found[0] > 30


def test_an_upgrade_of_this_very_mlflow_is_the_better_basis() -> None:
    """One of a database that is large enough to say something."""
    own = Measured(1.0, 1_000_000_000, 5.0, 10.0, 5.0)
    small = Measured(2.0, 1_000_000, 1.0, 1.0, 5.0)
    found = estimate(
        Kind.POSTGRESQL, 1_000_000_000, [own, small], same_schema=False, external=False
    )
    assert (found.snapshot, found.migrate, found.proven) == (9.0, 15.0, 1_000_000_000)
    assert found.basis == "an upgrade here of 953.7 MiB"


def test_nothing_is_migrated_between_equal_schemas() -> None:
    """And a snapshot of the operator's takes the time that it takes."""
    found = estimate(Kind.SQLITE, 10**9, (), same_schema=True, external=True)
    assert (found.snapshot, found.migrate) == (0.0, 0.0)
