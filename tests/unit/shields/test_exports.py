"""The steps in which a trace export is looked at are short, whatever its fields are."""

from __future__ import annotations

import gzip
import zlib

import pytest

from headgate.contract.otlp import Export
from headgate.shields.exports import FIELDS, PART, ExportScan


def fields_read(scan: ExportScan) -> int:
    """By the reader of the export, and by the one of its bytes as they came."""
    readers = (scan._protobuf, scan._uncoded)
    return sum(int(each.fields) for each in readers if each is not None)


@pytest.mark.parametrize("coding", [b"", b"gzip", b"deflate"])
@pytest.mark.parametrize("field", [b"\n\0", b"\x10\0"])
def test_a_step_reads_a_bounded_number_of_fields(coding: bytes, field: bytes) -> None:
    body = field * 300_000
    if coding == b"gzip":
        body = gzip.compress(body)
    elif coding == b"deflate":
        body = zlib.compress(body, 0)
    known = {b"content-type": b"application/x-protobuf", b"content-encoding": coding}
    scan = ExportScan(known, 0, Export(wants_values=False))
    scan.take([body], done=True)
    worst = before = 0
    done = False
    while not done:
        done = scan.step()
        now = fields_read(scan)
        worst, before = max(worst, now - before), now
    assert scan.refusal is None
    assert before >= 300_000
    assert worst <= FIELDS + PART
