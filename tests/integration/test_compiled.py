"""The compiled build does what the sources do: the same tests pass on it.

What compiled code may get wrong is what Python leaves open: types that are not what they say, and
the identity of values.  So everything that runs compiled code within one process is tested again.
``test_compiled_gate`` does the same on sockets.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import headgate
from tests.support.compiled_run import PATIENCE, SOCKETS, assert_tests_pass, compiled_build, run
from tests.support.compiled_tests import of_compiled_code
from tools import compiled

LONG_PATIENCE = 3600.0
pytestmark = [
    pytest.mark.first,
    pytest.mark.timeout(2 * PATIENCE),
    pytest.mark.skipif(headgate.is_compiled(), reason="is running on one already"),
]


def test_the_same_tests_pass_within_one_process(compiled_gate: Path) -> None:
    assert_tests_pass(compiled_gate, *of_compiled_code(), "tests/fuzz")


def test_tests_of_compiled_code_are_found() -> None:
    """Those of each package that is compiled, and of others that build on it."""
    found = {str(each.relative_to(compiled.ROOT)) for each in of_compiled_code()}
    assert "tests/unit/wire/test_head.py" in found
    assert "tests/unit/policy/test_decisions.py" in found  # imports nothing of the policy itself
    assert "tests/unit/runtime/test_worker.py" in found  # runs the data plane
    assert "tests/unit/stores/test_keys.py" not in found


@pytest.mark.long
@pytest.mark.timeout(LONG_PATIENCE)
def test_all_tests_pass_on_the_build_that_is_released() -> None:
    build = compiled_build(3)
    done = run(build, "-m", "headgate", "--version")
    assert done.stdout.strip().endswith("(compiled)")
    assert_tests_pass(build, "tests/unit", "tests/fuzz", *SOCKETS, patience=LONG_PATIENCE)
