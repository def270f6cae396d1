"""Measures what an upgrade of MLflow takes by the size of its database.

``python -m tools.mlflow_rates [ROUNDS]`` fills a database of MLflow 3.14 with runs, metrics and
traces, on SQLite and on PostgreSQL, saves it, migrates it to 3.17, and restores it, with the code
that ``headgate mlflow upgrade`` runs.  The figures of ``headgate.deploy.mlflow.estimate`` are from
it.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg

from headgate.deploy.mlflow.databases.opening import database_of
from headgate.deploy.mlflow.interpreter import identify, migrate
from headgate.deploy.mlflow.words import size_in_words
from tests.support.mlflow_versions import CURRENT, python_with
from tests.support.postgres import postgres_server

OLD: Final = "3.14.0"
LIMIT: Final = 3600.0
TRACES: Final = 20_000
"""In each round; each has three spans of 2000 bytes."""
METRICS: Final = 200_000
RUNS: Final = 1_000

_INSERT: Final = (
    "insert into {into} with recursive n(i) as "
    "(select 1 union all select i + 1 from n where i < {count}) select {values} from n"
)
FILL: Final = (
    (1, "experiments (experiment_id, name, lifecycle_stage)", "{round}, 'e{round}', 'active'"),
    (
        RUNS,
        "runs (run_uuid, name, status, start_time, lifecycle_stage, experiment_id)",
        "'r{round}-' || i, 'run', 'FINISHED', 1700000000000 + i, 'active', {round}",
    ),
    (
        METRICS,
        "metrics (key, value, timestamp, run_uuid, step, is_nan)",
        "'metric-' || (i % 20), i, 1700000000000 + i, 'r{round}-' || (1 + i % {runs}), i, false",
    ),
    (
        TRACES,
        "trace_info (request_id, experiment_id, timestamp_ms, execution_time_ms, status)",
        "'tr{round}-' || i, {round}, 1700000000000 + i, i % 1000, 'OK'",
    ),
    (
        TRACES * 3,
        (
            "spans (trace_id, experiment_id, span_id, name, type, status, start_time_unix_nano, "
            "end_time_unix_nano, content)"
        ),
        (
            "'tr{round}-' || (1 + i % {traces}), {round}, 's' || i, 'llm', 'CHAT_MODEL', 'OK', "
            "1700000000000000000, 1700000001000000000, '{content}'"
        ),
    ),
)
"""How many rows of which table and columns, with what in them: ``i`` is the number of the row."""
CONTENT: Final = '{"text": "' + "some words of a model " * 90 + '"}'


def statements(number: int) -> Iterator[str]:
    """What adds one round of rows, in SQL that both databases take."""
    for count, into, values in FILL:
        filled = values.format(round=number, runs=RUNS, traces=TRACES, content=CONTENT)
        yield _INSERT.format(into=into, count=count, values=filled)


def measure(kind: str, url: str, execute: Callable[[Sequence[str]], None], rounds: int) -> None:
    """Print what each step takes."""
    with tempfile.TemporaryDirectory(prefix="headgate-rates-") as name:
        folder = Path(name)
        old, _ = identify(python_with(OLD))
        new, _ = identify(python_with(CURRENT))
        migrate(Path(old.place), old, url, LIMIT, folder)
        execute([each for number in range(1, rounds + 1) for each in statements(number)])
        database = database_of(url)
        size = database.size()
        begun = time.monotonic()
        taken = database.snapshot(folder / "copy", time.time())
        saved = time.monotonic()
        migrate(Path(new.place), new, url, LIMIT, folder)
        migrated = time.monotonic()
        database.restore(taken)
        restored = time.monotonic()
        sys.stdout.write(
            f"{kind}: {size} bytes ({size_in_words(size)}): snapshot {saved - begun:.1f} s "
            f"({size_in_words(taken.size)}), migration {migrated - saved:.1f} s, restore "
            f"{restored - migrated:.1f} s\n"
        )
        sys.stdout.flush()


@contextmanager
def _sqlite() -> Iterator[tuple[str, Callable[[Sequence[str]], None]]]:
    with tempfile.TemporaryDirectory(prefix="headgate-rates-") as name:
        path = f"{name}/mlflow.db"

        def execute(statements_: Sequence[str]) -> None:
            with sqlite3.connect(path) as connection:
                for each in statements_:
                    connection.execute(each)
            connection.close()

        yield f"sqlite:///{path}", execute


@contextmanager
def _postgresql() -> Iterator[tuple[str, Callable[[Sequence[str]], None]]]:
    with tempfile.TemporaryDirectory() as name, postgres_server(Path(name)) as server:
        database = server.create_database("mlflow")
        plain = server.url(database)

        def execute(statements_: Sequence[str]) -> None:
            with psycopg.connect(plain) as connection:
                for each in statements_:
                    connection.execute(each.encode())
            with psycopg.connect(plain, autocommit=True) as connection:
                connection.execute("analyze")

        yield plain.replace("postgresql:", "postgresql+psycopg2:"), execute


def main() -> None:
    """Measure both."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    for kind, running in (("sqlite", _sqlite), ("postgresql", _postgresql)):
        with running() as (url, execute):
            measure(kind, url, execute, rounds)


if __name__ == "__main__":
    main()
