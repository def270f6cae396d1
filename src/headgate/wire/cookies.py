"""Which cookies of a request are the gate's own.

They are for the gate's own pages alone, and MLflow is never sent one: MLflow, and everything that
it runs, could otherwise act as the user on those pages.
"""

from __future__ import annotations

from typing import Final

_GATE: Final = (b"headgate_", b"__host-headgate_", b"__secure-headgate_")
"""What the names of the gate's cookies begin with, in lower case; two of these are prefixes by
which browsers hold a cookie to https and to one host (RFC 6265bis section 4.1.3)."""


def divide_cookies(field: bytes) -> tuple[bytes, bytes]:
    """Divide the value of ``Cookie`` into that of the gate's own cookies and that of all others.

    Either is empty if there are none.
    """
    if b"headgate_" not in field.lower():
        return b"", field
    gate: list[bytes] = []
    others: list[bytes] = []
    for pair in field.split(b";"):
        cookie = pair.strip(b" \t")
        (gate if cookie.lower().startswith(_GATE) else others).append(cookie)
    return b"; ".join(gate), b"; ".join(filter(None, others))
