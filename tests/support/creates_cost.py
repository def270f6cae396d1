"""What it costs to share creates across gates: ``python -m tests.support.creates_cost``.

Gates with the setting off, on with SQLite and on with PostgreSQL run beside each other before one
stand-in for MLflow, and are sent creates in turn, so that what else the machine does meets all of
them alike.  It prints the rows of the table in docs/explanation/creates.md.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.creating_upstream import CreatingUpstream
from tests.support.gate import Gate, create_key, running_gate
from tests.support.gates_with_creates import ACROSS, create, made, run_message
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.two_gates import gate_on, shared_store

ROUNDS = 20
ONE_BY_ONE = 10
TOGETHER = 8
EACH = 5


def _milliseconds(gate: Gate, key: str) -> float:
    started = time.perf_counter()
    made(create(gate, run_message(), key))
    return (time.perf_counter() - started) * 1000


def _rate(gate: Gate, key: str) -> float:
    """Creates in a second of clients that create all the time."""
    started = time.perf_counter()
    with ThreadPoolExecutor(TOGETHER) as executor:
        list(
            executor.map(lambda _: [_milliseconds(gate, key) for _ in range(EACH)], range(TOGETHER))
        )
    return TOGETHER * EACH / (time.perf_counter() - started)


def _bytes(server: PostgresServer) -> str:
    return server.execute(
        "SELECT count(*), pg_total_relation_size('headgate.creates') / greatest(count(*), 1) "
        "FROM headgate.creates",
        "creates",
    )


def main(rounds: int) -> None:
    """Measure, and print."""
    folder = Path(tempfile.mkdtemp(prefix="creates-cost-"))
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(postgres_server(folder))
        server.execute("ALTER SYSTEM SET fsync = on")
        store = shared_store(server, folder / "store", "creates", server.url("creates"))
        upstream = stack.enter_context(CreatingUpstream())
        keys = {"PostgreSQL": store.make_key("client", "admin")}
        gates = {
            "PostgreSQL": stack.enter_context(gate_on(store, folder / "pg", upstream.url, **ACROSS))
        }
        for name, settings in (("off", {}), ("SQLite", ACROSS)):
            own = folder / name
            own.mkdir()
            keys[name] = create_key(own / "data", "client")
            gates[name] = stack.enter_context(running_gate(own, upstream.url, settings))
        took: dict[str, list[float]] = {name: [] for name in gates}
        rates: dict[str, list[float]] = {name: [] for name in gates}
        for name, gate in gates.items():  # connections, and what is imported late
            _milliseconds(gate, keys[name])
        for _ in range(rounds):
            for name, gate in gates.items():
                took[name] += [_milliseconds(gate, keys[name]) for _ in range(ONE_BY_ONE)]
                rates[name].append(_rate(gate, keys[name]))
        off_took, off_rate = statistics.median(took["off"]), statistics.median(rates["off"])
        for name in ("off", "SQLite", "PostgreSQL"):
            half, rate = statistics.median(took[name]), statistics.median(rates[name])
            slow = statistics.quantiles(took[name], n=20)[-1]
            sys.stdout.write(
                f"| {name} | {half:.1f} ms | {half / off_took:.2f} | {slow:.1f} ms | {rate:.0f} "
                f"| {rate / off_rate:.2f} |\n"
            )
        sys.stdout.write(f"rows and bytes a row in PostgreSQL: {_bytes(server)}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
