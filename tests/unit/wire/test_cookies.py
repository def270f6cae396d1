"""The gate's own cookies are told from all others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.wire.cookies import divide_cookies

GATE = b"__Host-headgate_session=abc"


@pytest.mark.parametrize(
    ("field", "gate", "others"),
    [
        (b"", b"", b""),
        (b"a=1; b=2", b"", b"a=1; b=2"),
        (b"a=1;b=2 ;", b"", b"a=1;b=2 ;"),
        (GATE, GATE, b""),
        (b"a=1; " + GATE + b"; b=2", GATE, b"a=1; b=2"),
        (b"headgate_a=1;__Secure-Headgate_b=2", b"headgate_a=1; __Secure-Headgate_b=2", b""),
        (b"a=headgate_b", b"", b"a=headgate_b"),
        (b"my_headgate_a=1;; b=2", b"", b"my_headgate_a=1; b=2"),
        (b"\theadgate_a=1", b"headgate_a=1", b""),
    ],
)
def test_cookies_are_divided_by_their_names(field: bytes, gate: bytes, others: bytes) -> None:
    assert divide_cookies(field) == (gate, others)


parts = st.sampled_from(
    [b"headgate_", b"HEADGATE_s", b"__Host-headgate_s", *(b"a", b"=", b";", b"; ", b" ", b"\t")]
)


@given(st.lists(parts, max_size=12).map(b"".join))
def test_no_cookie_of_the_gate_is_among_the_others(field: bytes) -> None:
    """Whatever the field holds, and none is lost."""
    gate, others = divide_cookies(field)
    for each in others.split(b";"):
        name = each.strip(b" \t").lower()
        assert not name.startswith((b"headgate_", b"__host-headgate_", b"__secure-headgate_"))
    for each in filter(None, gate.split(b"; ")):
        assert b"headgate_" in each.lower()
    whole = [each.strip(b" \t") for each in field.split(b";")]
    found = [each.strip(b" \t") for each in (gate + b";" + others).split(b";")]
    assert sorted(filter(None, whole)) == sorted(filter(None, found))
