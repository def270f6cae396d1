"""Renewing a lease may change which credential it admits."""

from __future__ import annotations

from headgate.maintenance.changes import Asking, renewed
from headgate.maintenance.directive import Directive, Park

PARK = Park("6f1c0e5a9b3d7742", "ops", "", 100.0, 160.0, lease=True, admits="k_old")
BEFORE = Directive("default", 3, PARK, asked=2)
ASKING = Asking("ops", 500.0)


def test_a_renewal_admits_another_credential_and_gates_acknowledge_that() -> None:
    """A command that goes on with a new key waits until every gate admits it."""
    after = renewed(BEFORE, PARK.id, 60, ASKING, "k_new")
    assert after.park is not None
    assert (after.park.admits, after.park.ends_at) == ("k_new", 560.0)
    assert after.asked == after.revision == 4


def test_a_plain_renewal_admits_whom_it_admitted() -> None:
    """It is no change that gates have to acknowledge."""
    after = renewed(BEFORE, PARK.id, 60, ASKING)
    assert after.park is not None
    assert (after.park.admits, after.asked, after.revision) == ("k_old", 2, 4)
