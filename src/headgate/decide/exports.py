"""Reads a whole trace export for the decision on it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from headgate.contract.otlp import Export
from headgate.errors import Refusal
from headgate.shields.exports import ExportScan


async def read_export(
    header: Mapping[bytes, bytes], limit: int, body: bytes
) -> dict[str, Any] | Refusal:
    """What a whole export names, by the fields of ``rules.txt``, or the reason to refuse it.

    The loop turns between two steps of it.

    Args:
        header: the values of the request's header fields, by lower-case name.
        limit: most bytes that the export may come to without its coding; 0: none in particular.
        body: as it came.

    Raises:
        ProtocolError: MLflow takes no such body.
    """
    export = Export(wants_values=True)
    scan = ExportScan(header, limit, export)
    scan.take([body], done=True)
    while not scan.step():  # noqa: ASYNC110 - it computes, and waits for nothing
        await asyncio.sleep(0)
    return scan.refusal or export.message()
