"""Names are asked for again at different moments, and never later than the ceiling."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headgate.discovery.pause import jittered
from headgate.discovery.report import MAX_TTL, MIN_TTL


@given(ttl=st.floats(MIN_TTL, MAX_TTL), drawn=st.floats(0, 1, exclude_max=True))
def test_the_wait_is_spread_and_bounded(ttl: float, drawn: float) -> None:
    wait = jittered(ttl, drawn)
    assert min(ttl, MAX_TTL / 1.1) <= wait <= MAX_TTL
    assert jittered(ttl, 0) < jittered(ttl, 0.5)
