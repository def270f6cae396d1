"""The table of routes says what the real MLflow does with a path."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from headgate.contract import (
    Dialect,
    TranslatedRequest,
    classify,
    table,
    translate,
    with_static_prefix,
)
from headgate.contract.table import shape
from headgate.model import BodyHandling, Operation

REPOSITORY = Path(__file__).parents[2]
INSTALLED = version("mlflow")

# What a parameter may hold that looks like a part of another route.
SEGMENTS = ("1", "search", "versions", "@acme", "mlflow", "proxy", "a%7Bb%7D", "a%2520:b", "config")
RESTS = ("a", "a/b.c", "a/versions/1.0/tags", "a/endpoints", "a/endpoints/c", "a/tags/b", "aliases")


class Sample(NamedTuple):
    """A request, what the gate takes it for, and what it sends to MLflow for it."""

    method: str
    path: str
    operation: Operation
    spoken: TranslatedRequest


def test_the_data_are_what_the_installed_mlflow_answers(tmp_path: Path) -> None:
    """Beside another version the check asks to describe it, and to decide on what is new."""
    program = REPOSITORY / "tools/generate_routes.py"
    subprocess.run([sys.executable, program, tmp_path], check=True, capture_output=True)
    (written,) = tmp_path.iterdir()
    committed = REPOSITORY / "src/headgate/contract/data" / written.name
    assert written.read_text().splitlines() == committed.read_text().splitlines()


@pytest.mark.parametrize("prefix", ["", "/p"])
def test_a_path_is_what_mlflow_takes_it_for(prefix: str) -> None:
    """The operation is that of the route which MLflow chooses, whatever a parameter holds.

    And the body travels as suits the part of MLflow that answers.
    """
    dialect = with_static_prefix(INSTALLED, b"/p") if prefix else Dialect(INSTALLED)
    samples = list(all_samples(dialect))
    wrong = []
    answered = 0
    operations = operations_by_route()
    for sample, route in zip(samples, routes_chosen_by_mlflow(samples, prefix), strict=True):
        if route is None:  # what this version lacks, and GET alone where FastAPI answers
            continue
        answered += 1
        pattern, native = route
        operation = operations.get((sample.method, shape(pattern.removeprefix(prefix))))
        body = BodyHandling.STREAM if native else BodyHandling.LENGTH
        if operation is not sample.operation or sample.spoken.body is not body:
            wrong.append((sample.method, sample.path, sample.operation.name, pattern, native))
    assert wrong == []
    assert answered > len(samples) / 2


def all_samples(dialect: Dialect) -> Iterator[Sample]:
    """Paths of every route that the dialect's version may have."""
    for method, pattern in {(row.method, path) for row in table().rows for path in row.paths}:
        for path in filled(pattern):
            for asked in ("GET", "HEAD") if method == "GET" else (method,):
                operation = classify(asked.encode(), path.encode())
                assert operation is not None, path
                spoken = translate(asked.encode(), operation, path.encode(), dialect)
                if isinstance(spoken, TranslatedRequest) and operation.family != "gate":
                    sent = "GET" if asked == "HEAD" else asked
                    yield Sample(sent, path, operation, spoken)


def filled(pattern: str) -> list[str]:
    """The pattern's paths, each parameter holding another value in each."""
    if "{" not in pattern:
        return [pattern]
    return [re.sub(r"{\w+(:path)?}", Values(turn), pattern) for turn in range(len(SEGMENTS))]


class Values:
    """The values for the parameters of one path, in turn."""

    def __init__(self, first: int) -> None:
        self._next = count(first)

    def __call__(self, parameter: re.Match[str]) -> str:
        values = RESTS if parameter[1] else SEGMENTS
        return values[next(self._next) % len(values)]


def operations_by_route() -> dict[tuple[str, str], Operation]:
    """The operations by method and the shape of their paths."""
    return {(row.method, shape(path)): row.operation for row in table().rows for path in row.paths}


def routes_chosen_by_mlflow(
    samples: Sequence[Sample], prefix: str
) -> list[tuple[str, bool] | None]:
    """The pattern of the route that each sample reaches, and whether FastAPI serves it."""
    asked = "".join(f"{sample.method} {sample.spoken.path.decode()}\n" for sample in samples)
    responses = subprocess.run(
        [sys.executable, "-m", "tests.support.mlflow_routing"],
        cwd=REPOSITORY,
        env=os.environ
        | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "_MLFLOW_STATIC_PREFIX": prefix},
        input=asked,
        capture_output=True,
        check=True,
        text=True,
    )
    return [json.loads(line) for line in responses.stdout.splitlines()]
