"""The table of routes: those that MLflow has, joined with what each of them is.

A route that is known but has no rule is not in the table, nor is one with a rule that no known
MLflow has: both are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from headgate.contract.messages import joined
from headgate.contract.patterns import Patterns
from headgate.contract.reader import Reader
from headgate.contract.rules import RouteRule, read_rules
from headgate.contract.snapshots import SnapshotRoute, messages_of, numbers, read_snapshots
from headgate.model import (
    FAMILIES,
    Action,
    BodyHandling,
    ObjectKind,
    Operation,
    Place,
    RequestClass,
    SizeClass,
)
from headgate.model.operation import GATE_RESPONSES, MLFLOW_RESPONSES
from headgate.model.request_class import ARTIFACTS, READS, WRITES

MOUNTS = ("/api/2.0", "/api/3.0", "/ajax-api/2.0", "/ajax-api/3.0")
"""Where the paths are mounted that do not begin with ``/``: the four mean one route."""

_PARAMETER = re.compile(r"{\w+(:path)?}")


class Mounted(NamedTuple):
    """A method of a route at one of its mounts."""

    method: str
    mount: str
    shape: str


class Row(NamedTuple):
    """A method of a route."""

    method: str
    operation: Operation

    @property
    def paths(self) -> tuple[str, ...]:
        """The patterns of the paths at which some MLflow, or Headgate itself, has it."""
        operation = self.operation
        return tuple(f"{mount}/{operation.path}" for mount in operation.mounts) or (operation.path,)


class Table:
    """Every operation, to be found by method and path.

    Args:
        rules: what the routes are; of two whose paths fit, the earlier one decides.
        snapshots: the routes of each version of MLflow, the oldest first.
    """

    def __init__(
        self, rules: Sequence[RouteRule], snapshots: Mapping[str, Sequence[SnapshotRoute]]
    ) -> None:
        self.versions = tuple(snapshots)
        self._snapshots = snapshots
        self.rows: list[Row] = []
        # By the identity of operations, all of which are kept in rows.
        self._readers: dict[int, Reader] = {}
        self._found: dict[int, tuple[str, Sequence[SnapshotRoute]]] = {}
        self._exact: dict[tuple[int, str], tuple[Reader, ...]] = {}
        self._static: dict[tuple[bytes, bytes], Operation | None] = {}
        self._patterns: dict[bytes, Patterns[Operation | None]] = {}
        by_shape: dict[tuple[str, str], list[SnapshotRoute]] = {}
        for routes in snapshots.values():
            for route in routes:
                by_shape.setdefault((route.method, shape(route.path)), []).append(route)
        for rank, rule in enumerate(rules):
            for method in rule.methods:
                found = [
                    route
                    for route in by_shape.get((method, shape(rule.path)), ())
                    if route.mount.endswith(rule.api)
                ]
                is_gate_page = rule.action is not None and FAMILIES[rule.family].gate_pages
                if is_gate_page:
                    found = []  # Headgate serves it, whatever an MLflow has at the path
                if found or is_gate_page:
                    operation = _operation(rule, method, found, self.versions)
                    mounted = {f"{route.mount}/" for route in found if route.mount}
                    self._add(rank, rule, method, operation, tuple(mounted))
                    if operation is not None:
                        self._readers[id(operation)] = _reader(method, found)
                        self._found[id(operation)] = method, found

    def classify(self, method: bytes, path: bytes) -> Operation | None:
        """What ``method`` on the canonical, unprefixed ``path`` stands for, if for anything.

        ``HEAD`` is what ``GET`` is.
        """
        if method == b"HEAD":
            method = b"GET"
        key = (method, path)
        if key in self._static:
            return self._static[key]
        patterns = self._patterns.get(method)
        return None if patterns is None else patterns.find(path)

    @property
    def gate_pages(self) -> tuple[Row, ...]:
        """The routes of Headgate's own pages, all of which ``headgate.control`` has to serve."""
        return tuple(row for row in self.rows if row.operation.gate_page)

    def reader(self, operation: Operation) -> Reader:
        """What knows every name that some MLflow reads in an operation's requests."""
        return self._readers[id(operation)]

    def readers(self, operation: Operation, version: str) -> tuple[Reader, ...]:
        """What reads an operation's requests as an MLflow of that version may.

        One, if the version is known exactly; else one for the nearest older version that is, and
        one for the nearest newer.  For no version, one for each.  Those that read alike are one.
        """
        key = id(operation), version
        exact = self._exact.get(key)
        if exact is None:
            method, found = self._found[id(operation)]
            versions = _near(list(dict.fromkeys(route.version for route in found)), version)
            readers: list[Reader] = []
            for each in versions:
                same = [_alone(route) for route in found if route.version == each]
                reader = _reader(method, same)
                if not any(reader.reads_as(other) for other in readers):
                    readers.append(reader)
            exact = tuple(readers) or (self._readers[id(operation)],)
            self._exact[key] = exact
        return exact

    def bare(self, version: str) -> frozenset[Mounted]:
        """What an MLflow of that version, or near it, serves without its ``--static-prefix``."""
        older = [each for each in self.versions if numbers(each) <= numbers(version)]
        nearest = older[-1] if older else self.versions[0 if version else -1]
        return frozenset(
            Mounted(route.method, route.mount, shape(route.path))
            for route in self._snapshots[nearest]
            if route.bare
        )

    def _add(
        self,
        rank: int,
        rule: RouteRule,
        method: str,
        operation: Operation | None,
        mounted: tuple[str, ...],
    ) -> None:
        """Take in a method of a rule, at the mounts where some MLflow has mounted it."""
        if operation is not None:
            self.rows.append(Row(method, operation))
        for path in paths(rule):
            if mounted and not path.startswith(mounted):
                continue
            if _PARAMETER.search(path):
                patterns = self._patterns.setdefault(method.encode("ascii"), Patterns())
                patterns.add(path, rank, operation)
            else:
                self._static.setdefault((method.encode("ascii"), path.encode("ascii")), operation)


@cache
def table() -> Table:
    """The table of this release; made, in some hundredths of a second, when first asked for."""
    return Table(read_rules(), read_snapshots())


def classify(method: bytes, path: bytes) -> Operation | None:
    """What ``method`` on the canonical, unprefixed ``path`` stands for in this release's table."""
    return table().classify(method, path)


def paths(rule: RouteRule) -> tuple[str, ...]:
    """Every spelling of a rule's path."""
    if rule.path.startswith("/"):
        return (rule.path,)
    return tuple(f"{mount}/{rule.path}" for mount in MOUNTS if mount.endswith(rule.api))


def shape(path: str) -> str:
    """A pattern without the names of its parameters, in which versions differ."""
    return _PARAMETER.sub(r"{\1}", path)


def _operation(
    rule: RouteRule, method: str, found: Sequence[SnapshotRoute], versions: Sequence[str]
) -> Operation | None:
    """What a method of a rule is, given the known routes it is about; none if it is refused."""
    if rule.action is None:
        return None
    is_gate_page = FAMILIES[rule.family].gate_pages
    fields = frozenset(name for route in found for name in route.fields)
    objects = rule.objects_of(method, fields)
    since = found[0].version if found else ""
    native_since = _native_since(found)
    return Operation(
        family=rule.family,
        retry=rule.retry(method),
        body=BodyHandling.STREAM if native_since else BodyHandling.LENGTH,
        size=rule.size,
        public=rule.public,
        any_key=rule.any_key,
        otlp=rule.otlp,
        static=rule.static,
        json_only=rule.json_only,
        creates=rule.creates,
        name=rule.name,
        action=rule.action,
        also=rule.also,
        objects=objects,
        decides_by_body=rule.by_body or any(field.place is Place.BODY for field in objects),
        path=rule.path,
        mounts=tuple(sorted({route.mount for route in found} - {""})),
        since=since,
        not_in=_before(since, versions),
        native_since=native_since,
        ends_in_artifact=any(
            field.kind is ObjectKind.ARTIFACT and field.place is Place.PATH for field in objects
        ),
        gate_page=is_gate_page,
        response_policy=GATE_RESPONSES if is_gate_page else MLFLOW_RESPONSES,
        request_class=_request_class(rule, rule.action),
        writes=rule.writes(method),
    )


def _request_class(rule: RouteRule, action: Action) -> RequestClass | None:
    """The class of a rule's operations.

    None for the gate's own pages, for what is public, and for the files of MLflow's page, of which
    a browser fetches dozens for one page.
    """
    family = FAMILIES[rule.family]
    if family.gate_pages or rule.public or rule.static:
        return None
    if rule.size is SizeClass.ARTIFACTS:  # other families have routes for files, too
        return ARTIFACTS
    return family.request_class or (READS if action is Action.READ else WRITES)


def _reader(method: str, found: Sequence[SnapshotRoute]) -> Reader:
    messages = [route.message for route in found if route.message is not None]
    by_hand = [name for route in found for name in route.query]
    if method == "GET":
        return Reader(joined(messages), is_get=True, query=by_hand)
    of_body = [name for route in found for name in route.body]
    return Reader(joined(messages, of_body), query=by_hand)


def _alone(route: SnapshotRoute) -> SnapshotRoute:
    """A route with the message that its own version has."""
    if route.message is None:
        return route
    return route._replace(message=messages_of(route.version)[route.message.name])


def _near(versions: Sequence[str], version: str) -> Sequence[str]:
    """Those of ``versions``, oldest first, that ``version`` lies at or between."""
    if not version or version in versions:
        return [version] if version else versions
    older = [each for each in versions if numbers(each) <= numbers(version)]
    newer = [each for each in versions if numbers(each) > numbers(version)]
    return [*older[-1:], *newer[:1]]


def _native_since(found: Sequence[SnapshotRoute]) -> str:
    """The version from which on FastAPI serves the route, wherever it is mounted."""
    since = ""
    for route in reversed(found):
        if not route.native:
            break
        since = route.version
    return since


def _before(version: str, versions: Sequence[str]) -> str:
    """The one of ``versions``, which are in order, that comes before ``version``, if any does."""
    at = versions.index(version) if version else 0
    return versions[at - 1] if at else ""
