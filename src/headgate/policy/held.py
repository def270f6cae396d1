"""What somebody was granted, as a list, out of the form in which rulings are made."""

from __future__ import annotations

from headgate.model import Grant, Grants


def held(grants: Grants) -> tuple[Grant, ...]:
    """Every grant that counts for a family, once each."""
    found: dict[Grant, None] = {}
    for given in grants.by_family.values():
        for each in given:
            found[each.grant] = None
    return tuple(found)
