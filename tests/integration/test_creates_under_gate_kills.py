"""Whole gates are killed under MLflow's own client, which a TCP balancer leads to another one.

They share creates through PostgreSQL, so that no run is doubled and none given to two.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.creating_clients import BETWEEN, Counted, counted_while
from tests.support.gate import Gate
from tests.support.gates_with_creates import ACROSS, kill
from tests.support.haproxy import running_tcp_haproxy
from tests.support.mlflow_server import MlflowServer
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.two_gates import gate_on, shared_store

OFF = {"HEADGATE_UPSTREAMS__DEFAULT__CREATES__ACROSS_GATES": "false"}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with postgres_server(tmp_path_factory.mktemp("creates")) as server:
        yield server


class Pair:
    """Two gates at ports that stay theirs; each can be killed, and then has a successor."""

    def __init__(
        self, server: PostgresServer, mlflow: MlflowServer, folder: Path, more: dict[str, str]
    ) -> None:
        database = folder.name.replace("-", "_")[-40:]
        self.store = shared_store(server, folder / "store", database, server.url(database))
        self.key = self.store.make_key("client", "admin")
        self.ports = (free_port(), free_port())
        self._mlflow, self._folder, self._more = mlflow, folder, more
        self._stacks = [contextlib.ExitStack(), contextlib.ExitStack()]
        self._gates: list[Gate] = [self._started(number) for number in (0, 1)]

    def _started(self, number: int) -> Gate:
        settings = {"HEADGATE_LISTEN__PORT": str(self.ports[number]), **ACROSS, **self._more}
        folder = self._folder / f"gate-{number}"
        return self._stacks[number].enter_context(
            gate_on(self.store, folder, self._mlflow.url, **settings)
        )

    def replace(self, number: int) -> None:
        """Kill one of them with all its processes, and start another at its port."""
        which = number % 2
        kill(self._gates[which])
        self._stacks[which].close()
        self._gates[which] = self._started(which)

    def close(self) -> None:
        """Stop both."""
        for stack in self._stacks:
            stack.close()


def _count(
    server: PostgresServer, mlflow: MlflowServer, folder: Path, kills: int, **more: str
) -> Counted:
    with contextlib.ExitStack() as stack:
        pair = Pair(server, mlflow, folder, more)
        stack.callback(pair.close)
        balancer = stack.enter_context(running_tcp_haproxy(folder, pair.ports))
        return counted_while(mlflow, balancer.url, pair.key, folder, "3.17.2", kills, pair.replace)


@pytest.mark.long
@pytest.mark.parametrize("kills", [3, 20])
def test_no_run_is_doubled_and_none_given_to_two(
    database: PostgresServer, mlflow_server: MlflowServer, tmp_path: Path, kills: int
) -> None:
    counted = _count(database, mlflow_server, tmp_path, kills)
    told = counted.told
    print(f"{kills} gates killed: {len(told.runs)} runs, {len(told.models)} models")  # noqa: T201 - the figures are what is wanted
    assert told.failed == []
    assert (counted.doubled, counted.joined, counted.lost) == (0, 0, 0)
    assert len(told.runs) >= kills * BETWEEN


@pytest.mark.long
def test_without_it_runs_are_doubled(
    database: PostgresServer, mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    """The control: how many are doubled depends on the moments, so that nothing is asserted."""
    counted = _count(database, mlflow_server, tmp_path, 20, **OFF)
    print(f"doubled: {counted.doubled} of {len(counted.told.runs)} runs and as many models")  # noqa: T201 - the figures are what is wanted
    assert (counted.joined, counted.lost) == (0, 0)
