"""How much is compared with MLflow's own reading, and the search for a seed where it differs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.mlflow_versions import CURRENT

VERSIONS: Final = ("2.22.5", "3.10.1", CURRENT)
PER_EXAMPLE: Final = 100
SLICE: Final = 10_000
REQUESTS: Final = int(os.environ.get("HEADGATE_ORACLE_REQUESTS", "200000"))

of_current = pytest.mark.parametrize("oracle", [CURRENT], indirect=True)
of_each_version = pytest.mark.parametrize("oracle", VERSIONS, indirect=True)


def hunt(compare: Callable[[int], list[str]], requests: int) -> None:
    """Compare that many requests, by examples of ``PER_EXAMPLE``.

    ``compare`` makes those of a seed, and describes each that MLflow reads as the gate did not.
    """

    @settings(
        max_examples=requests // PER_EXAMPLE,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**48))
    def agrees(seed: int) -> None:
        wrong = compare(seed)
        assert not wrong, "\n".join(wrong)

    agrees()
