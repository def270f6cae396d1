"""What MLflow executes for a narrowed key touches nothing of another team's, on any route."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from headgate.contract import lacks, table
from headgate.contract.table import Row
from headgate.model import Action
from tests.support.foreign_requests import Probe, probes, sampled
from tests.support.gate import Gate, bearer, running_gate
from tests.support.keys import make_keys
from tests.support.mlflow_server import running_mlflow
from tests.support.mlflow_versions import CURRENT, python_with
from tests.support.raw import RawResponse, request_head
from tests.support.two_teams import Handover, Team, damage, make_team

ROLES = """
[roles.team-a]
grants = ["*:* on experiment team-a/*", "*:* on model team-a.*", "read:meta"]
"""
SHIELDS_OFF = """
[shields]
disabled = ["traversal", "stored-location", "escaped-name", "private-target", "graphql-bounds"]
"""
LEFT_OUT = frozenset({"ui", "gate", "ai-gateway", "jobs", "assistant", "auth-admin", "webhooks"})
"""Families whose objects are no team's, so that narrowed keys may do nothing there.  They are
tried too, but with few requests."""
ENDLESS = frozenset({"assistant/sessions/stream"})


@dataclass
class Trial:
    """A gate before a real MLflow, two teams in it, and what has been found out."""

    gate: Gate
    version: str
    admin: str
    narrowed: str
    estate: Handover
    own: Team = field(init=False)
    other: Team = field(init=False)
    first: frozenset[str] = field(init=False)
    samples: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    sent: int = 0
    passed: int = 0
    owned: int = 0
    found: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.own = make_team(self.as_admin, "a", self.version)
        self.other = make_team(self.as_admin, "b", self.version)
        self.first = self.estate.of(self.other)

    def as_admin(self, method: str, target: str, message: Any = None) -> RawResponse:
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        fields = () if isinstance(message, bytes) else ("Content-Type: application/json",)
        return self.gate.ask(
            method, target, *fields, key=self.admin, body=b"" if message is None else body
        )

    def renew(self) -> None:
        """What was one's own may have been changed or deleted."""
        self.own = make_team(self.as_admin, "a", self.version)

    def try_route(self, row: Row, most: int, key: str | None = None) -> None:
        """Send the requests of one route, and look what each that passed has done."""
        every = list(probes(row, self.version, self.own, self.other))
        if row.operation.family in LEFT_OUT:
            most = min(most, 10)
        before = self.estate.of(self.other)
        passed = False
        for probe in sampled(every, most, seed=len(self.samples)):
            response = self._send(probe, key or self.narrowed)
            if response is not None:
                passed = True
                before = self._judge(probe, response, before)
        if passed and row.operation.action is not Action.READ:
            self.renew()

    def _send(self, probe: Probe, key: str) -> RawResponse | None:
        """The response, if it was MLflow's."""
        fields = [bearer(key), "Connection: close"]
        if probe.body is not None:
            fields += [f"Content-Type: {probe.content_type}", f"Content-Length: {len(probe.body)}"]
        self.sent += 1
        self.samples[probe.sample] += 1
        with self.gate.connect() as client:
            client.send(request_head(probe.method, probe.target, *fields) + (probe.body or b""))
            response = client.response(probe.method)
        if response.get("X-Headgate-Reason") not in (None, "ok"):
            return None
        return response

    def _judge(self, probe: Probe, response: RawResponse, before: frozenset[str]) -> frozenset[str]:
        self.passed += 1
        self.owned += probe.control and response.status < 400
        said = response.head + response.body
        if self.other.canary.encode() in said:
            self.found.append(f"{probe}: shows {said[:200]!r}")
        if (
            probe.method == "HEAD"
            and response.status == 200
            and int(response.get("Content-Length") or 0)
        ):
            read = self._send(replace(probe, method="GET"), self.narrowed)
            if read is None or self.other.canary.encode() in read.body:
                self.found.append(f"{probe}: its length tells of what may not be read")
        if probe.method in ("GET", "HEAD"):
            return before
        after = self.estate.of(self.other)
        if harm := damage(self.first, before, after):
            self.found.append(f"{probe}: {harm}")
        return after


@contextmanager
def running_trial(folder: Path, version: str, settings: str = "") -> Iterator[Trial]:
    (folder / "gate" / "data").mkdir(parents=True)
    (folder / "gate" / "headgate.toml").write_text(ROLES + settings)
    roles = {"admin": ("admin",), "narrowed": ("team-a",)}
    keys = make_keys(folder / "gate" / "data", roles)
    environment = {
        "HEADGATE_CONFIG": str(folder / "gate" / "headgate.toml"),
        "HEADGATE_UPSTREAMS__DEFAULT__PROBES__INTERVAL": "5",
    }
    with (
        running_mlflow(folder, python=python_with(version)) as server,
        running_gate(folder / "gate", server.url, environment) as gate,
    ):
        wait_for_version(gate, keys["admin"], version)
        estate = Handover(folder / "mlflow.db", server.artifacts)
        yield Trial(gate, version, keys["admin"], keys["narrowed"], estate)


def wait_for_version(gate: Gate, key: str, version: str) -> None:
    """Wait until the gate has found out which MLflow this is."""

    def known() -> bool | None:
        page = gate.ask("GET", "/-/health", key=key).body.decode()
        return f'"{version}"' in page or None

    gate.process.wait_until(known, f"MLflow {version} to be known", 60)


def routes(version: str) -> list[Row]:
    """The routes of a version, those that read first."""
    rows = [
        row
        for row in table().rows
        if row.operation.family != "gate"
        and row.operation.name not in ENDLESS
        and not lacks(row.operation, version)
        and row.operation.since
    ]
    return sorted(rows, key=lambda row: row.operation.action is not Action.READ)


def run(trial: Trial, most: int, what: str) -> None:
    rows = routes(trial.version)
    for row in rows:
        trial.try_route(row, most)
    routes_of = len({row.operation.name for row in rows})
    print(  # noqa: T201
        f"{what}: {len(trial.samples)} of route x kind x read/write over {routes_of} routes; "
        f"{trial.sent} requests, {trial.passed} passed, {trial.owned} about one's own were "
        f"answered well; {len(trial.found)} disagreements"
    )
    assert not trial.found, "\n".join(trial.found[:20])
    assert trial.passed > 50


def test_no_route_touches_what_is_another_teams(tmp_path: Path) -> None:
    with running_trial(tmp_path, CURRENT) as trial:
        run(trial, 4, f"MLflow {CURRENT}, a slice")


def test_a_planted_hole_is_found(tmp_path: Path) -> None:
    """With a key that may do everything, the same requests show and harm what is another's."""
    by_name = {row.operation.name: row for row in table().rows}
    with running_trial(tmp_path, CURRENT) as trial:
        trial.narrowed = trial.admin
        for name in ("runs/get", "experiments/get", "artifacts/download", "registered-models/get"):
            trial.found.clear()
            trial.try_route(by_name[name], 10)
            assert any("shows" in each for each in trial.found), name
        for name in ("runs/set-tag", "experiments/set-experiment-tag", "model-versions/set-tag"):
            trial.found.clear()
            trial.try_route(by_name[name], 10)
            assert any("row" in each for each in trial.found), name


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("version", ["2.22.5", "3.10.1", CURRENT])
@pytest.mark.parametrize("settings", ["", SHIELDS_OFF], ids=["shields", "no shields"])
def test_every_spelling_on_every_route(version: str, settings: str, tmp_path: Path) -> None:
    with running_trial(tmp_path, version, settings) as trial:
        run(trial, 1_000_000, f"MLflow {version}{', no shields' if settings else ''}")
