"""How late the loop is, by a clock that is not the loop's own."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from headgate.runtime.loop_lag import watch_loop_lag


def test_each_sleep_that_takes_too_long_is_reported() -> None:
    moments = iter([0.0, 0.1, 0.1, 0.45, 0.45, 0.54])  # the last one is short of its time
    seen: list[float] = []

    def clock() -> float:
        try:
            return next(moments)
        except StopIteration:
            raise KeyboardInterrupt from None  # the end of the test

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(watch_loop_lag(seen.append, clock, interval=0.1))
    assert seen == [0.0, pytest.approx(0.25), 0.0]
