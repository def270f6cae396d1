"""Requests that name another team's objects wherever a request can name anything.

For each route of MLflow, each place in it and each kind of object: the place holds what is the
other team's, and all else what is one's own, in many spellings.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from headgate.contract import table
from headgate.contract.messages import Message, camel_case
from headgate.contract.table import Row
from headgate.model import Action, ObjectKind, Place
from tests.support.two_teams import Team

K = ObjectKind
NAMED: Final = {
    "experiment_id": K.EXPERIMENT,
    "experiment_ids": K.EXPERIMENT,
    "experiment_name": K.EXPERIMENT_NAME,
    "run_id": K.RUN,
    "run_uuid": K.RUN,
    "run_ids": K.RUN,
    "model_id": K.LOGGED_MODEL,
    "trace_id": K.TRACE,
    "trace_ids": K.TRACE,
    "request_id": K.TRACE,
    "request_ids": K.TRACE,
    "dataset_id": K.DATASET,
    "artifact_path": K.ARTIFACT,
}
"""What a field holds, by its name; ``name`` depends on the route."""
PLAIN: Final[dict[str, Any]] = {
    "key": "k",
    "value": "v",
    "timestamp": 1,
    "version": "1",
    "alias": "al",
    "max_results": 5,
    "type": "MLFLOW_EXPERIMENT",
    "request_time": "2026-01-01T00:00:00Z",
    "state": "OK",
    "records": "[]",
}
_ABLE: Final = re.compile(r".*(?:_ids?|_uuid|name|uri|location|source|path)")
"""Fields that might name something."""
_PARAMETER: Final = re.compile(r"{(\w+)(?::path)?}")
Path = tuple[str, ...]


@dataclass(frozen=True)
class Probe:
    """One request; ``route``, ``kind`` and ``action`` say what it is a sample of."""

    route: str
    kind: ObjectKind
    action: Action
    method: str
    target: str
    body: bytes | None = None
    content_type: str = "application/json"
    control: bool = False

    @property
    def sample(self) -> tuple[str, str, str]:
        """The cell of the table of all routes, kinds, and reading or writing."""
        return self.route, self.kind.value, "read" if self.action is Action.READ else "write"


def probes(row: Row, version: str, own: Team, other: Team) -> Iterator[Probe]:
    """Every request for one route; first one that is about one's own things alone."""
    build = _Builder(row, version, own, other)
    yield build.probe(K.EXPERIMENT, build.target(), build.message, control=True)
    for kind, place, path in build.places():
        if kind in other.values:
            yield from build.spellings(kind, place, path, other.values[kind])


class _Builder:
    """Makes the requests of one route."""

    def __init__(self, row: Row, version: str, own: Team, other: Team) -> None:
        self.operation, self.method = row.operation, row.method
        self._reader = table().readers(row.operation, version)[0]
        self._own, self._other = own, other
        self.is_get = row.method == "GET"
        self.message = self._filled(self._reader.message, 0)
        mounts = row.operation.mounts or ("",)
        self._mounts = tuple(sorted(mounts, key=lambda each: "ajax" in each))

    def places(self) -> Iterator[tuple[ObjectKind, Place, Path]]:
        """Where the route can name something, with each kind that may stand there."""
        found: dict[tuple[ObjectKind, Place, Path], None] = {}
        for each in self.operation.objects:
            found[each.kind, each.place, tuple(each.name.replace("[]", "").split("."))] = None
        for name in _PARAMETER.findall(self.operation.path):
            for kind in (NAMED[name],) if name in NAMED else K:
                found[kind, Place.PATH, (name,)] = None
        place = Place.QUERY if self.is_get else Place.BODY
        for path in _leaves(self._reader.message, (), 0):
            for kind in (NAMED[path[-1]],) if path[-1] in NAMED else K:
                found[kind, place, path] = None
        for name in self._reader.names:
            if _ABLE.fullmatch(name):
                for kind in (NAMED[name],) if name in NAMED else K:
                    found[kind, Place.QUERY, (name,)] = None
        yield from found

    def spellings(self, kind: ObjectKind, place: Place, path: Path, value: str) -> Iterator[Probe]:
        """A foreign value in one place, in many spellings."""
        name = path[-1]
        if place is Place.PATH:
            yield from self._in_path(kind, name, value)
        elif place is Place.HEADER:
            return  # trace exports have tests of their own
        elif place is Place.QUERY:
            yield from self._in_query(kind, name, value)
        else:
            yield from self._in_body(kind, path, value)

    def _in_path(self, kind: ObjectKind, name: str, value: str) -> Iterator[Probe]:
        mine = self._own.values.get(kind, "x")
        escaped = "".join(f"%{ord(each):02X}" for each in value)
        for spelled in (quote(value, safe="/"), escaped, quote(escaped), f"{mine}/../{value}"):
            for mount in self._mounts:
                yield self.probe(kind, self.target({name: spelled}, mount), self.message)
        yield self.probe(kind, self.target({name: value}), self.message, method="HEAD")
        if not self.is_get:  # the path is one's own, the body is not
            for own_path in ((name,), (camel_case(name),)):
                yield self.probe(kind, self.target(), _put(self.message, own_path, value))

    def _in_query(self, kind: ObjectKind, name: str, value: str) -> Iterator[Probe]:
        mine = quote(self._own.values.get(kind, "x"), safe="")
        theirs = quote(value, safe="")
        escaped = "".join(f"%{ord(each):02X}" for each in value)
        base = self._query(without=name)
        pascal = "".join(part.title() for part in name.split("_"))
        for pairs in (
            f"{name}={theirs}",
            f"{name}={mine}&{name}={theirs}",
            f"{name}={theirs}&{name}={mine}",
            f"{name}={escaped}",
            f"{name}={quote(escaped)}",
            f"{name}=%20{theirs}",
            f"{name}={theirs}%00",
            f"{name}={theirs}%2F..%2F{mine}",
            f"{name}[]={theirs}",
            f"{name}={mine}&{name}[]={theirs}",
            f"{camel_case(name)}={theirs}",
            f"{name}={mine}&{camel_case(name)}={theirs}",
            f"{pascal}={theirs}",
            f"{name}={mine}&{pascal}={theirs}",
            f"{name}={mine}&%{ord(name[0]):02x}{name[1:]}={theirs}",
            f"{name}={mine}%26{name}={theirs}",
            f"{name}={mine};{name}={theirs}",
            f"{name}={mine},{theirs}",
        ):
            yield self.probe(kind, self.target(query=f"{base}{pairs}"), None)
        both = self.target(query=f"{base}{name}={theirs}")
        yield self.probe(kind, both, None, method="HEAD")
        if self.is_get:
            asked = {**self.message, name: value}
            yield self.probe(kind, self.target(query=""), asked)
            yield self.probe(kind, self.target(query=f"{base}{name}={mine}"), asked)
            yield self.probe(kind, self.target(query=""), asked, method="HEAD")

    def _in_body(self, kind: ObjectKind, path: Path, value: str) -> Iterator[Probe]:
        mine, name = self._own.values.get(kind, "x"), path[-1]
        target, own = self.target(), _put(self.message, path, mine)
        camel = (*path[:-1], camel_case(name))
        pascal = (*path[:-1], "".join(part.title() for part in name.split("_")))
        values: list[Any] = [
            value,
            [value],
            [mine, value],
            [value, mine],
            f" {value}",
            f"{value}\0",
        ]
        if value.isdigit():
            values += [int(value), float(value), f"0{value}"]
        for each in values:
            yield self.probe(kind, target, _put(self.message, path, each))
        yield self.probe(kind, target, _put(self.message, camel, value))
        for spelled in (camel, pascal, (*path[:-1], f"{name}[]"), (*path[:-1], name.upper())):
            yield self.probe(kind, target, _put(own, spelled, value))
        theirs = json.dumps(_put(self.message, path, value))
        owned = json.dumps(own)
        doubled = f"{owned[:-1]},{theirs[1:]}" if len(owned) > 2 else theirs
        swapped = f"{theirs[:-1]},{owned[1:]}" if len(owned) > 2 else theirs
        for text in (doubled, swapped, json.dumps(theirs), f"[{theirs}]", f"\ufeff{theirs}"):
            yield self.probe(kind, target, text)
        for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/JSON"):
            yield self.probe(kind, target, theirs, content_type=content_type)
        query = f"{name}={quote(value, safe='')}"
        yield self.probe(kind, self.target(query=query), own)
        yield self.probe(kind, self.target(query=query), None)
        for mount in self._mounts[1:]:
            yield self.probe(kind, self.target({}, mount), theirs)

    # --- the parts -------------------------------------------------------------------------

    def probe(
        self,
        kind: ObjectKind,
        target: str,
        message: Any,
        *,
        method: str = "",
        content_type: str = "application/json",
        control: bool = False,
    ) -> Probe:
        """One request; of a text as it is, of a message as JSON."""
        body = message if isinstance(message, str) else json.dumps(message)
        if message is None or (self.is_get and message is self.message):
            body = ""
        return Probe(
            self.operation.name,
            kind,
            self.operation.action,
            method or self.method,
            target,
            body.encode("utf-8", "surrogatepass") if body else None,
            content_type,
            control,
        )

    def target(
        self, given: dict[str, str] | None = None, mount: str = "", query: str | None = None
    ) -> str:
        """The path, its parameters one's own but for those given, and the query."""
        given = given or {}

        def value(match: re.Match[str]) -> str:
            kind = NAMED.get(match[1])
            mine = self._own.values.get(kind, "x") if kind is not None else self._plain(match[1])
            return given.get(match[1], quote(str(mine), safe="/"))

        path = _PARAMETER.sub(value, self.operation.path)
        if query is None:
            query = self._query() if self.is_get else ""
        mount = mount or self._mounts[0]
        whole = f"{mount}/{path}" if mount else path
        return f"{whole}?{query}" if query else whole

    def _query(self, without: str = "") -> str:
        """One's own things in the query of a GET, with a ``&`` at the end where one is left out."""
        pairs = []
        for name in sorted(self._reader.names):
            value = self._value(name)
            if name != without and value is not None:
                pairs.append(f"{name}={quote(str(value), safe='')}")
        return "&".join(pairs) + ("&" if pairs and without else "")

    def _value(self, name: str) -> Any:
        if name in NAMED:
            return self._own.values.get(NAMED[name])
        return self._plain(name) if name in PLAIN or name in ("name", "path") else None

    def _plain(self, name: str) -> Any:
        if name == "name" and self.operation.family == "models":
            return self._own.values[K.MODEL]
        if name == "path" and self.operation.family == "artifacts":
            return ""
        return PLAIN.get(name, "n")

    def _filled(self, message: Message, depth: int) -> dict[str, Any]:
        """A message about one's own things."""
        found: dict[str, Any] = {}
        for known in {each.name: each for each in message.fields.values()}.values():
            value: Any = None
            if known.message is not None and depth < 4:
                value = self._filled(known.message, depth + 1) or None
            elif known.kind in ("string", "json"):
                value = self._value(known.name)
            elif known.name in PLAIN:
                value = PLAIN[known.name]
            if value is not None and not known.is_map:
                found[known.name] = [value] if known.repeated else value
        return found


def _leaves(message: Message, path: Path, depth: int) -> Iterator[Path]:
    """The fields of a message that might name something."""
    for known in {each.name: each for each in message.fields.values()}.values():
        here = (*path, known.name)
        if known.message is not None:
            if depth < 4 and not known.is_map:
                yield from _leaves(known.message, here, depth + 1)
        elif known.kind in ("string", "json") and _ABLE.fullmatch(known.name):
            yield here


def _put(message: Any, path: Path, value: Any) -> Any:
    """The message with a value at a path, whatever leads there made as needed."""
    whole = copy.deepcopy(message) if isinstance(message, dict) else {}
    inner = whole
    for name in path[:-1]:
        step = inner.get(name)
        if isinstance(step, list):
            step = step[0] if step and isinstance(step[0], dict) else None
        if not isinstance(step, dict):
            step = inner[name] = {}
        inner = step
    held = inner.get(path[-1])
    inner[path[-1]] = [value] if isinstance(held, list) and not isinstance(value, list) else value
    return whole


def sampled(every: list[Probe], most: int, seed: int) -> list[Probe]:
    """Of each cell the control, the plainest probe, and some of the rest, the same each time."""
    if len(every) <= most:
        return every
    some = random.Random(seed).sample(range(2, len(every)), most - 2)  # noqa: S311
    return [every[at] for at in (0, 1, *sorted(some))]
