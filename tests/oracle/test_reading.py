"""The gate has judged every object that MLflow's own code reads, or has refused the request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from headgate.contract import Reader, lacks, table
from headgate.contract.messages import Message, fold
from headgate.contract.query import parameters
from headgate.contract.table import Row
from headgate.policy import NeedsObject, evaluate
from tests.oracle.asked import Asker
from tests.oracle.gate_decider import GateDecider
from tests.oracle.hunt import PER_EXAMPLE, REQUESTS, SLICE, hunt, of_current, of_each_version
from tests.oracle.mlflow_reader import MlflowReader, Sent, running_reader

OTHERS = frozenset({"/v1/traces", "/graphql"})
"""Paths whose requests are no messages."""
NOT_IMPLEMENTED = frozenset({"traces/get-online-details", "traces/search-unified"})
"""What no open MLflow does (``mlflow.server.handlers._not_implemented``)."""
NOT_IMPLEMENTED_IN: Final[Mapping[str, frozenset[str]]] = {
    "2.22.5": frozenset({"assessments/delete", "assessments/update", "traces/get-info"})
}
"""The same for one version."""
STORE_DEPENDENT = frozenset(
    {
        *("artifacts/mpu/abort", "artifacts/mpu/complete", "artifacts/mpu/create"),
        *("artifacts/presigned", "runs/create-promptlab-run", "runs/log-model"),
        "scorers/invoke",
    }
)
"""What looks at the class of its store, or wants more of a body than its fields' types."""


class Oracle:
    """A gate and an MLflow of one version, and what came of comparing them."""

    def __init__(self, version: str, reader: MlflowReader) -> None:
        self.decider = GateDecider(version)
        self.reader = reader
        self.rows = list(rows(self.decider, version))
        self.count: Counter[str] = Counter()
        self.reached: Counter[str] = Counter()

    def compare(self, seed: int, count: int = PER_EXAMPLE) -> list[str]:
        """Make requests, and tell of each that MLflow reads as the gate did not."""
        asker = Asker(seed)
        asked = [asker.ask(self.rows[(seed + turn) % len(self.rows)]) for turn in range(count)]
        decided = [self.decider.decide(each) for each in asked]
        passed = [each for each in decided if each.sent is not None]
        told = self.reader.read([each.sent for each in passed if each.sent is not None])
        self.count["asked"] += count
        self.count["passed"] += len(passed)
        wrong = []
        for each, read in zip(passed, told, strict=True):
            assert each.operation is not None
            self.count["reached"] += read.reached
            self.reached[each.operation.name] += read.reached
            if why := self.decider.disagrees(each, read):
                wrong.append(f"{each.sent}\n    {why}\n    {read}")
        return wrong

    @property
    def silent(self) -> list[str]:
        """The routes none of whose requests has come to MLflow's stores."""
        names = {row.operation.name for row in self.rows}
        names -= NOT_IMPLEMENTED | STORE_DEPENDENT
        if self.decider.version == "3.10.1":
            names.discard("traces/start")  # any span in it, or an odd value, is a 500 there
        names -= NOT_IMPLEMENTED_IN.get(self.decider.version, frozenset())
        return sorted(names - {name for name, count in self.reached.items() if count})


def rows(decider: GateDecider, version: str) -> Iterator[Row]:
    """What a narrowed key may do with objects of its own, on an MLflow of that version."""
    for row in table().rows:
        operation = row.operation
        if operation.path in OTHERS or lacks(operation, version):
            continue
        if isinstance(evaluate(decider.grants, operation, "main", None), NeedsObject):
            yield row


@pytest.fixture(scope="module")
def oracle(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Oracle]:
    version: str = request.param
    with running_reader(version, tmp_path_factory.mktemp("oracle")) as reader:
        yield Oracle(version, reader)


def hunt_in(oracle: Oracle, requests: int) -> None:
    """Compare that many requests."""
    hunt(oracle.compare, requests)
    print(f"{oracle.decider.version}: {dict(oracle.count)}, {len(oracle.rows)} operations")  # noqa: T201


@of_current
def test_a_slice(oracle: Oracle) -> None:
    hunt_in(oracle, SLICE)
    assert oracle.count["asked"] >= SLICE
    assert oracle.count["reached"] > oracle.count["passed"] / 4


@pytest.mark.long
@pytest.mark.timeout(1800)
@of_each_version
def test_every_route(oracle: Oracle) -> None:
    hunt_in(oracle, REQUESTS)
    assert oracle.count["asked"] >= REQUESTS
    assert oracle.silent == []


@of_current
def test_the_body_of_a_get_means_what_its_query_means(oracle: Oracle) -> None:
    """MLflow reads the same message in the query that the gate makes of it."""
    rows = [
        row
        for row in oracle.rows
        if row.method == "GET" and table().reader(row.operation).is_message_of_get
    ]
    sent: list[Sent] = []
    passed: list[Sent] = []
    for seed in range(3000):
        asked = Asker(seed).ask_with_body(rows[seed % len(rows)])
        decided = oracle.decider.decide(asked)
        if decided.sent is not None:
            assert decided.sent.body == b""
            sent.append(asked)
            passed.append(decided.sent)
    as_body, as_query = oracle.reader.read(sent), oracle.reader.read(passed)
    reached = 0
    for one, other, what in zip(as_body, as_query, sent, strict=True):
        if one.reached:  # it wants some JSON names in one spelling, of which a query has no other
            assert one.body == other.body, what
            reached += 1
    assert reached > 100


@pytest.mark.patches
@of_current
def test_a_reader_that_folds_spellings_is_found_out(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With names in any spelling counted, as they were once, the oracle sees it."""

    def query(self: Reader, text: bytes, *, strict: bool = False) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in parameters(text):
            known = {fold(each): each for each in self.names}.get(fold(name))
            if known is not None:
                found.setdefault(known, []).append(value)
        return found

    monkeypatch.setattr(Reader, "query", query)
    wrong = [each for seed in range(100) for each in oracle.compare(seed * 1_000_003)]
    assert any("the request names none" in each for each in wrong)


@pytest.mark.patches
@of_current
def test_a_message_that_is_read_in_part_is_found_out(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With values of any type taken, the oracle sees where MLflow stops reading."""
    read = Message.read

    def lenient(self: Message, value: dict[str, Any], *, strict: bool) -> dict[str, Any]:
        return read(self, value, strict=False)

    monkeypatch.setattr(Message, "read", lenient)
    wrong = [each for seed in range(200) for each in oracle.compare(seed * 1_000_003)]
    assert any("the request names none" in each for each in wrong)
