"""Wires the issuers whose tokens are accepted."""

from __future__ import annotations

import time

from headgate.auth.tokens.tokens import Tokens
from headgate.events import Emit
from headgate.runtime.handover import Handover
from headgate.runtime.link import Link
from headgate.telemetry.counters import CounterRow
from headgate.telemetry.metrics import ISSUER_KEYS_AGE


def issuer_tokens(link: Link, handover: Handover, row: CounterRow, emit: Emit) -> Tokens:
    """What accepts tokens; it knows no issuers before it is configured."""
    return Tokens(
        emit,
        time.time,
        keep=handover.leave_issuers,
        show=lambda seconds: row.set(ISSUER_KEYS_AGE, int(seconds)),
        kept=handover.issuers() if link.replaces else None,
    )
