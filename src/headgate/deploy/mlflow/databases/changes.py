"""What was created or changed in MLflow's database since a time: SQL that every database takes.

MLflow has its times in milliseconds.  A tag or a parameter has none, so that a run to which only
those were added is not found.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, NamedTuple

from headgate.deploy.mlflow.records import Loss


class _Objects(NamedTuple):
    """Objects of one kind: the table, its key, and its columns with times."""

    what: str
    table: str
    times: tuple[str, ...]


_OBJECTS: Final = (
    _Objects("runs", "runs", ("start_time", "end_time", "deleted_time")),
    _Objects("runs with new metrics", "latest_metrics", ("timestamp",)),
    _Objects("experiments", "experiments", ("creation_time", "last_update_time")),
    _Objects("registered models", "registered_models", ("creation_time", "last_updated_time")),
    _Objects("model versions", "model_versions", ("creation_time", "last_updated_time")),
    _Objects("logged models", "logged_models", ("last_updated_timestamp_ms",)),
    _Objects("traces", "trace_info", ("timestamp_ms",)),
)


def losses(
    since: float,
    columns: Mapping[str, Collection[str]],
    ask: Callable[[str], Sequence[object]],
) -> list[Loss]:
    """What there is of each kind.

    Args:
        since: seconds since the epoch.
        columns: of each table that the database has.
        ask: the first row of a statement.
    """
    found = []
    for what, table, times in _OBJECTS:
        there = [each for each in times if each in columns.get(table, ())]
        if not there:
            continue
        count, newest = ask(_statement(table, there, int(since * 1000)))
        if isinstance(count, int) and count:
            found.append(Loss(what, count, _number(newest) / 1000))
    return found


def _statement(table: str, times: Sequence[str], since: int) -> str:
    counted = "count(distinct run_uuid)" if table == "latest_metrics" else "count(*)"
    recent = " or ".join(f"{each} >= {since}" for each in times)
    latest = f"coalesce({times[-1]}, 0)"
    for each in reversed(times[:-1]):
        value = f"coalesce({each}, 0)"
        latest = f"case when {value} > {latest} then {value} else {latest} end"
    return f"select {counted}, max({latest}) from {table} where {recent}"  # noqa: S608 - constants


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
