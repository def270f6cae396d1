"""The steps in which a trace export is looked at are short, whatever its fields are."""

from __future__ import annotations

import gzip
import zlib

import pytest

from headgate.contract.otlp import JSON, PROTOBUF, Export
from headgate.shields.exports import FIELDS, PART, ExportScan
from headgate.wire.errors import ProtocolError


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


def scanned(body: bytes, *, coding: bytes = b"", media: bytes = PROTOBUF, limit: int = 0) -> str:
    """The message of the refusal, or nothing."""
    known = {b"content-type": media, b"content-encoding": coding}
    scan = ExportScan(known, limit, Export(wants_values=False))
    scan.take([body[:3], body[3:]], done=True)
    while not scan.step():
        pass
    return scan.refusal.message if scan.refusal is not None else ""


def test_an_export_is_of_one_of_two_types() -> None:
    with pytest.raises(ProtocolError, match="must be sent as Content-Type"):
        scanned(b"", media=b"text/plain")


@pytest.mark.parametrize("wants_values", [True, False])
def test_json_is_scanned(wants_values: bool) -> None:
    scan = ExportScan({b"content-type": JSON}, 0, Export(wants_values=wants_values))
    scan.take([b'{"resourceSpans": ', b"[]}"], done=True)
    while not scan.step():
        pass
    assert scan.refusal is None


def test_a_misplaced_name_is_refused_in_each_form() -> None:
    name = "mlflow.artifactLocation"
    body = f'{{"resourceSpans": [{{"resource": {{"attributes": [{{"key": "{name}"}}]}}}}]}}'
    assert "shield stored-location" in scanned(body.encode(), media=JSON)
    assert scanned(gzip.compress(body.encode()), media=JSON, coding=b"gzip")


def test_a_broken_export_is_refused() -> None:
    assert scanned(b"\x0a\x05").startswith("Headgate refused the trace export: ")
    assert scanned(b"broken", coding=b"gzip")
    assert scanned(zlib.compress(b"\x0a\x05"), coding=b"deflate")


@pytest.mark.parametrize(
    "body",
    [
        b"\x11\x04\x00\xfb\xff\x12\x02aa",  # raw deflate
        b"x\x01\x11\x05\x00\xfa\xff\x12\x03eee" + zlib.adler32(b"\x12\x03eee").to_bytes(4, "big"),
    ],
)
def test_a_body_that_is_an_export_in_two_ways_is_refused(body: bytes) -> None:
    """MLflow before 3.7 ignores the coding; the first byte of a stored block has spare bits."""
    assert "both before and after decoding" in scanned(body, coding=b"deflate")


def test_bytes_that_only_begin_like_an_export_are_a_compressed_one() -> None:
    assert scanned(b"\x11\x02\x00\xfd\xff\n\x00", coding=b"deflate") == ""


def test_waiting_for_more_is_no_end() -> None:
    scan = ExportScan({b"content-type": PROTOBUF}, 0, Export(wants_values=False))
    scan.take([b"\x0a"], done=False)
    while not scan.step():
        pass
    scan.take([b"\x00"], done=True)
    while not scan.step():
        pass
    assert scan.refusal is None
