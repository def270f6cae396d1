"""The table of schemas has what each version says of itself."""

from __future__ import annotations

import pytest

from headgate.deploy.mlflow.errors import NoSuchVersionError
from headgate.deploy.mlflow.interpreter import identify
from headgate.deploy.mlflow.schemas import CHAIN, HEADS, revisions_of
from tests.support.mlflow_versions import CURRENT, LOCKS, python_with

LOCKED = sorted({each.stem for each in LOCKS.glob("*.lock")} & set(HEADS) - {"3.14.0", CURRENT})


@pytest.mark.parametrize(
    "number",
    ["3.14.0", CURRENT, *(pytest.param(each, marks=pytest.mark.long) for each in LOCKED)],
)
def test_a_version_says_what_the_table_has(number: str) -> None:
    """Read from its files, as the commands do, and the same chain."""
    version, revisions = identify(python_with(number))
    assert (version.number, version.head) == (number, HEADS[number])
    assert list(revisions) == list(revisions_of(number))


def test_the_newest_has_all_revisions() -> None:
    """And a version that is not in the table is refused in words."""
    assert list(revisions_of([*HEADS][-1])) == list(CHAIN)
    with pytest.raises(NoSuchVersionError, match=r"the schema of MLflow 9\.0 is not known"):
        revisions_of("9.0")
