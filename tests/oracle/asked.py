"""Makes requests for an operation: well-formed ones, and such as might be read in two ways."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from headgate.contract import table
from headgate.contract.messages import Field, Message
from headgate.contract.table import Row
from headgate.model import ObjectKind, Place
from tests.oracle.gate_decider import IDS, OTHER, OWN
from tests.oracle.mlflow_reader import Sent

T = TypeVar("T")
KINDS = {
    "experiment_id": ObjectKind.EXPERIMENT,
    "experiment_ids": ObjectKind.EXPERIMENT,
    "experiment_name": ObjectKind.EXPERIMENT_NAME,
    "run_id": ObjectKind.RUN,
    "run_ids": ObjectKind.RUN,
    "run_uuid": ObjectKind.RUN,
    "source_run_id": ObjectKind.RUN,
    "model_id": ObjectKind.LOGGED_MODEL,
    "trace_id": ObjectKind.TRACE,
    "trace_ids": ObjectKind.TRACE,
    "request_id": ObjectKind.TRACE,
    "request_ids": ObjectKind.TRACE,
    "dataset_id": ObjectKind.DATASET,
    "artifact_path": ObjectKind.ARTIFACT,
}
TYPES = (
    "application/json",
    "application/json",
    "application/json",
    "application/json; charset=utf-8",
    "application/json;charset=utf-16",
    "text/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/vnd.api+json",
    "APPLICATION/JSON",
)
WRONG: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    2**70,
    "",
    "x",
    [],
    {},
    [None],
    {"a": 1},
    "\ud800",
)
RAW = ("NaN", "Infinity", "1" * 5000, "1e999", '"\\ud800"', "nul")
_PARAMETER = re.compile(r"{(\w+)(?::path)?}")


class Asker:
    """Makes requests, by chance that ``seed`` decides."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  nothing is secret here
        self._plain = False  # whether it is to be a request that MLflow takes

    def ask(self, row: Row) -> Sent:
        """A request for one of the rows of the table."""
        chance = self._random.random
        method = row.method
        self._plain = chance() < 0.3
        if self._plain:
            return self._ask_plainly(row)
        if chance() < 0.05:
            method = self._one(("GET", "HEAD", "POST", "PATCH", "DELETE", "PUT"))
        elif method == "GET" and chance() < 0.15:
            method = "HEAD"
        reader = table().reader(row.operation)
        path = self._path(row)
        names = sorted(reader.names)
        query = self._query(row, names) if names or chance() < 0.05 else ""
        headers: list[tuple[str, str]] = []
        body = b""
        wants_body = bool(reader.message.fields) and method not in ("GET", "HEAD")
        if wants_body or chance() < 0.08:
            body = self._body(row, reader.message)
            if chance() < 0.97:
                headers.append(("Content-Type", self._one(TYPES)))
        if body and chance() < 0.02:
            headers.append(("Content-Encoding", self._one(("gzip", "identity"))))
        return Sent(method, path + query, tuple(headers), body)

    def _ask_plainly(self, row: Row) -> Sent:
        """A request with most of its fields, in the exact spelling and of the right types."""
        reader = table().reader(row.operation)
        names = sorted(name for name in reader.names if self._random.random() < 0.9)
        query = self._query(row, names) if names else ""
        if row.method == "GET" or not reader.message.fields:
            return Sent(row.method, self._path(row) + query)
        body = self._body(row, reader.message)
        return Sent(row.method, self._path(row) + query, (("Content-Type", TYPES[0]),), body)

    def ask_with_body(self, row: Row) -> Sent:
        """A GET whose message stands in the body alone."""
        body = self._body(row, table().reader(row.operation).message)
        return Sent("GET", self._path(row), (("Content-Type", "application/json"),), body)

    def _one(self, choices: Sequence[T]) -> T:
        return self._random.choice(choices)

    # --- path and query ------------------------------------------------------------------------

    def _path(self, row: Row) -> str:
        kinds = {f.name: f.kind for f in row.operation.objects if f.place is Place.PATH}

        def value(match: re.Match[str]) -> str:
            return quote(self._id(kinds.get(match[1]) or KINDS.get(match[1])), safe="/")

        return _PARAMETER.sub(value, self._one(row.paths))

    def _query(self, row: Row, names: list[str]) -> str:
        kinds = {f.name: f.kind for f in row.operation.objects if f.place is Place.QUERY}
        pairs = []
        likely = [name for name in names if name in kinds] or names
        if self._plain:
            types = {
                each.name: each for each in table().reader(row.operation).message.fields.values()
            }
            for name in names:
                kind = kinds.get(name) or KINDS.get(name)
                known = types.get(name)
                value = self._id(kind) if kind or known is None else str(self._scalar(known))
                pairs.append(f"{name}={quote(value, safe='')}")
            return "?" + "&".join(pairs)
        for _ in range(self._random.randint(0, 4)):
            if not names or self._random.random() < 0.05:
                pairs.append(self._one(("", "_=1", "=", "=1", "a", "utm%5B%5D=%FF")))
                continue
            name = self._one(likely if self._random.random() < 0.7 else names)
            kind = kinds.get(name) or KINDS.get(name)
            value = self._id(kind) if kind else self._one(("5", "x", "", "true", "1.5", "a'b"))
            pairs.append(
                f"{self._spelled(name)}{self._one(('=', '=', '=', '=', '%3D'))}"
                f"{self._escaped(value)}"
            )
        mark = "?" if pairs or self._random.random() < 0.1 else ""
        return mark + self._one(("&", "&", "&", "&", "&&", ";")).join(pairs)

    def _escaped(self, value: str) -> str:
        chance = self._random.random()
        if chance < 0.05:
            return "".join(f"%{each:02X}" for each in value.encode())
        if chance < 0.08:
            return quote(value, safe="") + self._one(("%20", "+", "%00", "%FF", "%2F.."))
        return quote(value, safe=self._one(("", "/")))

    # --- names and values ----------------------------------------------------------------------

    def _spelled(self, name: str) -> str:
        """The name, most often as it is."""
        chance = self._random.random()
        if self._plain or chance < 0.75:
            return name
        camel = re.sub(r"_(\w)", lambda match: match[1].upper(), name)
        return str(
            self._one(
                (
                    camel,
                    camel[:1].upper() + camel[1:],
                    name.upper(),
                    name.replace("_", "-"),
                    name.replace("_", ""),
                    f"{name}[]",
                    f"{name}%5B%5D",
                    f"{name}[0]",
                    f" {name}",
                    f"{name}+",
                    name.replace("_", "%5F"),
                    f"{name}%00",
                    name.replace("_", "."),
                )
            )
        )

    def _id(self, kind: ObjectKind | None) -> str:
        if kind is None or kind not in IDS:
            return str(self._one(("a", "1", "a b", "x.y")))
        chance = self._random.random()
        if chance < (0.9 if self._plain else 0.7):
            return IDS[kind][OWN]
        if self._plain or chance < 0.95:
            return IDS[kind][OTHER]
        return str(self._one(("", "0", "99", "x y", IDS[kind][OWN] + " ")))

    # --- body ----------------------------------------------------------------------------------

    def _body(self, row: Row, message: Message) -> bytes:
        kinds = {
            f.name.replace("[]", ""): f.kind
            for f in row.operation.objects
            if f.place in (Place.BODY, Place.QUERY)
        }
        text = self._object(message, kinds, "", 5)
        chance = self._random.random()
        body = text.encode("utf-8", "surrogatepass")
        if self._plain:
            return body
        if chance < 0.02:
            body = b"\xef\xbb\xbf" + body
        elif chance < 0.04:
            body = json.dumps(text).encode()
        elif chance < 0.05:
            body = text.encode("utf-16", "surrogatepass")
        elif chance < 0.06:
            body = b"[" + body + b"]"
        elif chance < 0.08:
            body += self._one((b" ", b"{}", b"x", b"\x00"))
        elif chance < 0.09:
            body = self._one((b"null", b"[]", b'""', b" ", b"{"))
        return body

    def _object(self, message: Message, kinds: dict[str, ObjectKind], path: str, depth: int) -> str:
        names = sorted({each.name for each in message.fields.values()})
        wanted = [
            name
            for name in names
            if any(k == path + name or k.startswith(f"{path}{name}.") for k in kinds)
        ]
        members = []
        if self._plain:
            # One that names an assessment is refused: MLflow would move it here.
            named = [n for n in names if kinds.get(path + n) is not ObjectKind.ASSESSMENT]
            chosen = [name for name in named if name in wanted or self._random.random() < 0.8]
            oneofs = {message.fields[name].oneof or name: name for name in chosen}
            return self._members(message, oneofs.values(), kinds, path, depth)
        for _ in range(self._random.randint(1, 4)):
            if not names or self._random.random() < 0.04:
                members.append(self._one(('"unknown": 1', '"[a.b]": 1', '"": 2')))
                continue
            name = self._one(wanted if wanted and self._random.random() < 0.8 else names)
            known = message.fields[name]
            members.append(
                f"{json.dumps(self._spelled(name))}: {self._value(known, kinds, path, depth)}"
            )
        return "{" + ", ".join(members) + "}"

    def _members(
        self,
        message: Message,
        names: Iterable[str],
        kinds: dict[str, ObjectKind],
        path: str,
        depth: int,
    ) -> str:
        members = [
            f"{json.dumps(name)}: {self._value(message.fields[name], kinds, path, depth)}"
            for name in names
        ]
        return "{" + ", ".join(members) + "}"

    def _value(self, known: Field, kinds: dict[str, ObjectKind], path: str, depth: int) -> str:
        chance = self._random.random()
        if not self._plain and chance < 0.03:
            return str(self._one(RAW))
        if not self._plain and chance < 0.08:
            return json.dumps(self._one(WRONG))
        place = path + known.name
        kind = kinds.get(place) or KINDS.get(known.name)
        count = self._random.randint(1 if self._plain else 0, 3) if known.repeated else 1
        if known.is_map:
            return "{}"
        items = []
        for _ in range(count):
            if known.message is not None and not depth:
                items.append("{}")
            elif known.message is not None:
                items.append(self._object(known.message, kinds, f"{place}.", depth - 1))
            elif kind is not None and kind in IDS:
                value: Any = self._id(kind)
                if not self._plain and self._random.random() < 0.03 and value.isdecimal():
                    value = int(value)
                items.append(json.dumps(value))
            else:
                items.append(json.dumps(self._scalar(known)))
        if known.kind == "json" and known.name.endswith("s"):
            return f"[{', '.join(items)}]"
        return f"[{', '.join(items)}]" if known.repeated else items[0]

    def _scalar(self, known: Field) -> Any:
        if known.values:
            return self._one(sorted(known.values))
        choices: dict[str, Sequence[Any]] = {
            "string": ("a", "x", "5"),
            "bytes": ("YWJj",),
            "bool": (True, False),
            "double": (0.5, 1, "NaN"),
            "Value": (1, "a", [1], {"a": 1}),
            "Timestamp": ("2026-01-01T00:00:00Z",),
            "Duration": ("1s",),
            "FieldMask": ("name",),
        }
        return self._one(choices.get(known.kind, (1, 5, "7")))
