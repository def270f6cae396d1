"""Time that looking at a trace export takes while it passes, without sockets or kernel."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence

from bench.peers.programs import Program
from bench.series import Better, Series, alternating
from bench.setting import CannotMeasureError, Setting
from headgate.contract.otlp import Export
from headgate.shields.exports import ExportScan

SIZE = 1_000_000
PIECE = 64 * 1024
ATTRIBUTES = 10
CASES = {
    "plain": "Looking at an export: protobuf, spans of 1 KB",
    "long": "Looking at an export: protobuf, spans of 20 KB",
    "gzip": "Looking at an export: protobuf, gzip, spans of 1 KB",
    "json": "Looking at an export: JSON, spans of 1 KB",
}
_PROTOBUF = b"application/x-protobuf"


def measure(setting: Setting, programs: Sequence[Program]) -> list[Series]:
    """Look at exports of a megabyte, with each build."""
    found: dict[str, dict[str, list[float]]] = {program.name: {} for program in programs}
    for turn, names in enumerate(alternating(list(found), setting.rounds), start=1):
        setting.say(f"exports: round {turn} of {setting.rounds}")
        for program in sorted(programs, key=lambda each: names.index(each.name)):
            for case, value in _round(program, setting.choose(20, 3)).items():
                found[program.name].setdefault(case, []).append(value)
    return [
        Series(
            f"exports.{case}",
            title,
            "ms/MB",
            Better.LOWER,
            {program.name: found[program.name][case] for program in programs},
        )
        for case, title in CASES.items()
    ]


def _round(program: Program, repeats: int) -> dict[str, float]:
    """Measure one build once, in a process of its own: it is chosen when Python starts."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "bench.exports", str(repeats)],
        env=os.environ | dict(program.environment()),
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise CannotMeasureError(done.stderr)
    values: dict[str, float] = json.loads(done.stdout)
    return values


def main(repeats: int) -> None:
    """Print the milliseconds of each case, for a megabyte of what MLflow parses."""
    chance = random.Random(1)  # noqa: S311 - nothing is secret here
    plain, long = _protobuf(chance, 80), _protobuf(chance, 2000)
    cases = {
        "plain": (plain, _PROTOBUF, b""),
        "long": (long, _PROTOBUF, b""),
        "gzip": (gzip.compress(plain), _PROTOBUF, b"gzip"),
        "json": (_json(chance), b"application/json", b""),
    }
    times = {}
    for case, (body, media, coding) in cases.items():
        pieces = [body[at : at + PIECE] for at in range(0, len(body), PIECE)]
        best = min(_time(pieces, media, coding) for _ in range(repeats))
        size = len(plain) if coding else len(body)
        times[case] = best * 1e3 * 1e6 / size
    sys.stdout.write(json.dumps(times))


def _time(pieces: Sequence[bytes], media: bytes, coding: bytes) -> float:
    known = {b"content-type": media} | ({b"content-encoding": coding} if coding else {})
    begin = time.process_time()
    scan = ExportScan(known, 0, Export(wants_values=False))
    for at, piece in enumerate(pieces, start=1):
        scan.take([piece], done=at == len(pieces))
        while not scan.step():
            pass
    if scan.refusal is not None:
        raise CannotMeasureError(scan.refusal.message)
    return time.process_time() - begin


def _field(number: int, value: bytes) -> bytes:
    size, length = len(value), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + value


def _protobuf(chance: random.Random, text: int) -> bytes:
    """A megabyte of spans with ten attributes, each of ``text`` bytes."""
    spans, size = [], 0
    while size < SIZE:
        span = _field(1, chance.randbytes(16)) + _field(2, chance.randbytes(8)) + _field(5, b"llm")
        span += b"\x39" + chance.randbytes(8) + b"\x41" + chance.randbytes(8)
        for number in range(ATTRIBUTES):
            value = chance.randbytes(text // 2).hex().encode()
            key = b"gen_ai.attribute.%d" % number
            span += _field(9, _field(1, key) + _field(2, _field(1, value)))
        spans.append(_field(2, span))
        size += len(spans[-1])
    return _field(1, _field(2, b"".join(spans)))


def _json(chance: random.Random) -> bytes:
    spans = [
        {
            "traceId": chance.randbytes(16).hex(),
            "spanId": chance.randbytes(8).hex(),
            "name": "llm",
            "attributes": [
                {
                    "key": f"gen_ai.attribute.{number}",
                    "value": {"stringValue": chance.randbytes(40).hex()},
                }
                for number in range(ATTRIBUTES)
            ],
        }
        for _ in range(SIZE // 1500)
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


if __name__ == "__main__":
    main(int(sys.argv[1]))
