"""MLflow acts on nothing in a trace export that the gate has not judged."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from headgate.contract import otlp
from headgate.contract.trace_tags import LOCATION_TAGS, fold
from headgate.dataplane.decisions import BodyScan
from headgate.model import ObjectKind
from tests.oracle.gate_decider import IDS, OTHER, GateDecider
from tests.oracle.hunt import PER_EXAMPLE, REQUESTS, SLICE, hunt, of_current, of_each_version
from tests.oracle.mlflow_reader import MlflowReader, Sent, running_reader
from tests.oracle.otlp_asked import Export, Exporter
from tests.support.mlflow_versions import CURRENT

WORKER = "otlp_worker.py"
OTHERS = {IDS[kind][OTHER] for kind in (ObjectKind.TRACE, ObjectKind.EXPERIMENT, ObjectKind.RUN)}
HAVE_IT = {"3.10.1", CURRENT}
BOTH_WAYS = "both before and after decoding"
"""What is refused since a server that does not decode would read another export."""


class Oracle:
    """A gate with a narrowed key and one with another, and an MLflow of one version."""

    def __init__(self, version: str, reader: MlflowReader) -> None:
        self.version = version
        self.narrowed = GateDecider(version)
        self.wide = GateDecider(version, ("*:*",))
        self.reader = reader
        self.count: Counter[str] = Counter()

    def compare(self, seed: int, count: int = PER_EXAMPLE) -> list[str]:
        """Make exports; tell of each of which MLflow does what the gate has not judged."""
        exporter = Exporter(seed)
        asked = [exporter.export() for _ in range(count)]
        told = self.reader.exchange(
            json.dumps(
                [{"headers": each.headers, "body": each.body.decode("latin-1")} for each in asked]
            )
        )
        wrong = []
        for each, read in zip(asked, told, strict=True):
            self.count["asked"] += 1
            self.count["stored"] += read["status"] < 400
            for name, found in (
                ("narrowed", self._narrowed(each, read)),
                ("wide", self._wide(each, read, seed)),
            ):
                if found:
                    wrong.append(f"{name}: {found}\n    {each}\n    {read}")
        return wrong

    def _refused(self, export: Export, refusal: str) -> str:
        """What is wrong with a refusal: what any exporter sends has to pass where MLflow has it."""
        if BOTH_WAYS in refusal:  # about one deflated export in 100,000 is protobuf by chance
            self.count["valid both ways"] += 1
            return ""
        is_wrong = export.plain and self.version in HAVE_IT
        return f"it is refused: {refusal}" if is_wrong else ""

    def _narrowed(self, export: Export, read: dict[str, Any]) -> str:
        decided = self.narrowed.decide(_sent(export))
        if decided.sent is None:
            return self._refused(export, str(decided.refusal))
        self.count["passed narrowed"] += 1
        touched = {*read["traces"], *read["experiments"], *read["runs"]} & OTHERS
        return f"it touches {touched}" if touched else _misplaced(read)

    def _wide(self, export: Export, read: dict[str, Any], seed: int) -> str:
        decided = self.wide.decide(_sent(export))
        refusal = decided.refusal
        if decided.scan is not None:
            refusal = _scanned(decided.scan, export.body, seed)
        if refusal:
            return self._refused(export, str(refusal))
        self.count["passed wide"] += 1
        return _misplaced(read)


def _sent(export: Export) -> Sent:
    return Sent("POST", "/v1/traces", export.headers, export.body)


def _misplaced(read: dict[str, Any]) -> str:
    tags = {fold(each) for each in read["tags"]} & LOCATION_TAGS
    return f"it sets {tags}" if tags else ""


def _scanned(scan: BodyScan, body: bytes, seed: int) -> str:
    size = seed % 97 + 1
    for at in range(0, max(len(body), 1), size):
        scan.take([body[at : at + size]], done=at + size >= len(body))
        while not scan.step():
            pass
        if scan.refusal is not None:
            return scan.refusal.message
    return ""


@pytest.fixture(scope="module")
def oracle(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Oracle]:
    version: str = request.param
    with running_reader(version, tmp_path_factory.mktemp("exports"), WORKER) as reader:
        yield Oracle(version, reader)


def hunt_in(oracle: Oracle, requests: int) -> None:
    """Compare that many exports."""
    hunt(oracle.compare, requests)
    print(f"{oracle.version}: {dict(oracle.count)}")  # noqa: T201
    assert oracle.count["asked"] >= requests
    if oracle.version in HAVE_IT:
        for what in ("stored", "passed narrowed", "passed wide"):
            assert oracle.count[what] > requests / 10


@of_current
def test_a_slice_of_exports(oracle: Oracle) -> None:
    hunt_in(oracle, SLICE // 5)


@pytest.mark.long
@pytest.mark.timeout(1800)
@of_each_version
def test_exports(oracle: Oracle) -> None:
    hunt_in(oracle, REQUESTS // 4)


@pytest.mark.patches
@of_current
def test_a_reader_that_sees_no_names_is_found_out(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp.Export, "on_key", lambda *_: False)
    wrong = [each for seed in range(20) for each in oracle.compare(seed)]
    assert any("it sets" in each for each in wrong)
