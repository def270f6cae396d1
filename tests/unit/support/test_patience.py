"""Limits are strict on an idle machine, and extended on a busy one."""

from __future__ import annotations

import pytest

from tests.support.patience import MOST, extended


@pytest.mark.parametrize(
    ("seconds", "crowd", "limit"),
    [
        (2.0, 0.0, 2.0),
        (2.0, 1.0, 2.0),
        (2.0, 2.5, 5.0),
        (2.0, 200.0, 2.0 * MOST),
    ],
    ids=["idle", "full", "busy", "crowded"],
)
def test_a_limit_grows_with_the_processes_of_a_core(
    seconds: float, crowd: float, limit: float
) -> None:
    assert extended(seconds, crowd) == limit
