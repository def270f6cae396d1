"""Who else is connected to MLflow's database, among connections that come and go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from headgate.deploy.mlflow.journal import Journal
from headgate.deploy.mlflow.plan import Planning
from headgate.deploy.mlflow.records import Writer
from headgate.deploy.mlflow.site import Limits
from tests.unit.deploy.mlflow.memory_world import NEW, MemoryHost, World
from tests.unit.deploy.mlflow.scene import site_of

MINE = Writer("a connection that MLflow closes", "127.0.0.1", 4001)
LATER = Writer("another of these", "127.0.0.1", 4002)
FOREIGN = Writer("psql", "127.0.0.1", 5000)


class Passing(MemoryHost):
    """Whose ``others`` differ from look to look."""

    def __init__(self, world: World, looks: Sequence[Sequence[Writer]]) -> None:
        super().__init__(world)
        self._looks: Iterator[Sequence[Writer]] = iter(looks)

    def others(self, writers: Sequence[Writer]) -> Sequence[Writer]:
        return next(self._looks)


@pytest.mark.parametrize(
    ("looks", "words"),
    [
        ([[]], []),
        ([[MINE], []], []),
        ([[MINE], [LATER]], []),
        ([[MINE, FOREIGN], [LATER, FOREIGN], [FOREIGN]], ["psql"]),
    ],
)
def test_who_is_gone_at_the_next_look_is_not_in_the_way(
    looks: Sequence[Sequence[Writer]], words: list[str]
) -> None:
    world = World()
    site = replace(site_of(world), host=Passing(world, looks))
    found = Planning(site, Limits(), external=False).plan(NEW.number, Journal())
    problems = [each for each in found.problems if "connected to the database" in each]
    assert [each.partition(": ")[2].partition(".")[0] for each in problems] == words
