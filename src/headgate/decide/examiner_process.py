"""The helper process that reads large bodies: what runs in it.

It reads questions from its standard input until that ends: four bytes of length and a JSON text,
four bytes of length and a body.  It writes the finding of each: four bytes of length and JSON.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import resource
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO, Final

from headgate.config import Shields
from headgate.contract import classify
from headgate.decide.examination import Finding, examine, too_large
from headgate.errors import Refusal
from headgate.shields import Shield

MEMORY_BYTES: Final = 1024 * 1024 * 1024
"""Of address space; 100 MB of it are Python's own.  The text of a body may take four bytes for
each of its own, and is there several times."""
CPU_SECONDS: Final = 600
"""More than one body may take; it ends a process whose worker is gone."""


def main() -> None:
    """Examine bodies until the worker closes its end."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")  # where memory is short, it goes before the worker does
    while (question := _read(sys.stdin.buffer)) is not None:
        body = _read(sys.stdin.buffer)
        if body is None:
            return
        response = json.dumps(_response(json.loads(question), body)).encode("ascii")
        sys.stdout.buffer.write(len(response).to_bytes(4, "big") + response)
        sys.stdout.buffer.flush()


def _read(stream: BinaryIO) -> bytes | None:
    """One part of a question; None at the end."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    size = int.from_bytes(head, "big")
    part = stream.read(size)
    return part if len(part) == size else None


def _response(question: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    operation = classify(question["method"].encode("ascii"), question["path"].encode("ascii"))
    if operation is None:
        raise ValueError(question["path"])
    refusal = too_large(operation, body)
    if refusal is not None:
        return _as_json(Finding(refusal), {})
    wanted, version = question["fields"], question["version"]
    fields = None if wanted is None else [operation.objects[at] for at in wanted]
    header = {name.encode(): value.encode("latin-1") for name, value in question["header"].items()}
    path, shield = question["path"].encode("ascii"), _shield(question["shields"])
    finding = examine(operation, version, path, fields, shield, header, body)
    return _as_json(finding, {field: at for at, field in enumerate(operation.objects)})


@functools.lru_cache(maxsize=4)
def _shield(settings: str) -> Shield:
    return Shield(Shields.model_validate_json(settings))


def _as_json(finding: Finding, places: Mapping[Any, int]) -> dict[str, Any]:
    if finding.refusal is not None:
        return {"refusal": _fields_of(finding.refusal)}
    return {
        "readings": [
            [(places[field], value) for field, value in reading] for reading in finding.readings
        ],
        "places": [(each.trace_id, each.experiment_id, each.location) for each in finding.places],
    }


def _fields_of(refusal: Refusal) -> dict[str, Any]:
    """Those that differ from what a refusal has by default, all of which JSON can hold."""
    return {
        each.name: value
        for each in dataclasses.fields(refusal)
        if (value := getattr(refusal, each.name)) != each.default
    }


if __name__ == "__main__":
    main()
