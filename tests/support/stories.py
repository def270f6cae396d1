"""What a story of failures showed, at each of the programs that it followed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.testing.request_log import Arrival
from tests.support.fleet import sent_twice
from tests.support.gate import Gate, bearer
from tests.support.haproxy import HaProxy
from tests.support.load import LoadResult
from tests.support.mlflow_server import MlflowServer
from tests.support.processes import ServerProcess

SETTLE_SECONDS = 60.0
_COLUMNS = (
    "Fault",
    "Through",
    "Operations",
    "Failures",
    "Runs twice",
    "Unsafe POSTs twice",
    "Longest stall",
)


@dataclass(frozen=True)
class Entrance:
    """A program that clients reach MLflow through; ``in_use`` names the endpoints that it uses."""

    name: str
    url: str
    key: str
    in_use: Callable[[], set[str]]
    process: ServerProcess

    def wait_to_use(self, endpoints: set[str]) -> None:
        """Wait until these, and no others, get requests."""
        self.process.wait_until(
            lambda: self.in_use() == endpoints or None,
            f"that it uses {sorted(endpoints)}",
            SETTLE_SECONDS,
        )


def gate_entrance(gate: Gate, key: str) -> Entrance:
    """The gate, as its health page shows it."""

    def in_use() -> set[str]:
        endpoints = health(gate, key)["endpoints"]
        return {each["endpoint"] for each in endpoints if each["available"]}

    return Entrance("gate", f"{gate.url}/mlflow", key, in_use, gate.process)


def health(gate: Gate, key: str) -> dict[str, Any]:
    """What the gate says of its one upstream to who has a key."""
    response = gate.ask("GET", "/-/health", bearer(key))
    (upstream,) = json.loads(response.body)["upstreams"]
    found: dict[str, Any] = upstream
    return found


def haproxy_entrance(haproxy: HaProxy) -> Entrance:
    """HAProxy, which asks for no key."""
    return Entrance("haproxy", haproxy.url, "", haproxy.in_use, haproxy.process)


@dataclass(frozen=True)
class Ending:
    """How a story ended; times in seconds.

    ``runs_twice``: runs that are there more than once.  ``posts_twice``: paths of requests that
    were sent to MLflow twice though that is not safe, by whomever: the client, too, tries again.
    ``repeated``: those of them that the gate repeated.  ``complete``: no run lacks its end.
    """

    load: LoadResult
    runs: int
    runs_twice: int
    complete: bool
    posts_twice: tuple[str, ...]
    repeated: tuple[str, ...]

    def assert_unnoticed(self) -> None:
        """Every operation succeeded, and every run is there once and whole."""
        assert self.load.failures == []
        assert self.repeated == ()
        found = (self.runs, self.runs_twice, self.complete)
        assert found == (self.load.runs, 0, True)


def ending(
    load: LoadResult, server: MlflowServer, label: str, arrivals: Sequence[Arrival]
) -> Ending:
    """Ask ``server`` itself what has come of the runs with ``label``.

    ``arrivals`` is what was sent to MLflow meanwhile.
    """
    found = server.call(
        "POST",
        "2.0/mlflow/runs/search",
        {
            "experiment_ids": [load.experiment],
            "filter": f"attributes.run_name LIKE '{label}-%'",
            "max_results": 50_000,
        },
    )
    infos = [run["info"] for run in found.get("runs", ())]
    return Ending(
        load,
        runs=len(infos),
        runs_twice=len(infos) - len({info["run_name"] for info in infos}),
        complete=all(info["status"] == "FINISHED" for info in infos),
        posts_twice=tuple(sent_twice(arrivals)),
        repeated=tuple(sent_twice(arrivals, by_one=True)),
    )


class Table:
    """Endings by story and entrance, for a person to read."""

    def __init__(self) -> None:
        self._endings: dict[str, dict[str, Ending]] = {}

    def add(self, story: str, entrance: str, ended: Ending) -> None:
        """Put one in."""
        self._endings.setdefault(story, {})[entrance] = ended

    def lines(self) -> list[str]:
        """The table in Markdown."""
        lines = [
            f"| {' | '.join(_COLUMNS)} |",
            "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
        ]
        for story, endings in sorted(self._endings.items()):
            lines += [
                f"| {story} | {name} | {each.load.operations:,} | {len(each.load.failures)} "
                f"| {each.runs_twice} | {len(each.posts_twice)} "
                f"| {each.load.longest:.1f} s ({each.load.slowest}) |"
                for name, each in sorted(endings.items())
            ]
        return lines
