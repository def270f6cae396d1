"""What principals and keys may do, and whether an actor may touch them.

The rule is one: **who changes a principal or key must be able to do everything that it may do**,
before the change and after it, its principal included.  Otherwise they would get more than they
have: the secret of a wider key by rotating it, a wider key by importing a digest, or more rights by
removing what narrows a key.  Ending something takes no rights from anybody, so ``administer:gate``
is enough to revoke, to disable and to bring an end forward.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

from headgate.identity.actor import Actor
from headgate.identity.errors import Invalid, NotAllowed
from headgate.identity.naming import refuse_secret
from headgate.model import Action, Grant
from headgate.policy import (
    GrantError,
    Roles,
    covers,
    meet,
    parse_grant,
    write_grant,
)
from headgate.policy.phrases import did_you_mean, joined
from headgate.stores.records import KeyRecord, PrincipalRecord

ADMINISTER: Final = Grant(Action.ADMINISTER, "gate")
READ: Final = Grant(Action.READ, "gate")
NAMED: Final = 5
"""How many grants a message names."""
MOST_GRANTS: Final = 32
"""How many grants a narrowing has at most: each is compared with each grant of the roles."""
_MOST_KEPT: Final = 1_000


class Reach:
    """Reads roles as grants.

    Args:
        roles: those that exist.
    """

    def __init__(self, roles: Roles) -> None:
        self._roles = roles
        self._granted: dict[tuple[str, ...], tuple[Grant, ...]] = {}
        self._met: dict[tuple[tuple[str, ...], ...], tuple[Grant, ...]] = {}

    def existing(self, roles: Sequence[str]) -> tuple[str, ...]:
        """The roles, each once.

        Raises:
            Invalid: one of them does not exist.
        """
        known = self._roles.names
        for role in roles:
            if role not in known:
                refuse_secret(role, "name of the role")
                hint = did_you_mean(role, known)
                raise Invalid(
                    f"there is no role {role!r}; {hint}{hint and ' '}the roles are "
                    f"{', '.join(known)}: those built in, and those of the configuration in use",
                    "roles",
                )
        return tuple(dict.fromkeys(roles))

    def of_roles(self, roles: Sequence[str]) -> tuple[Grant, ...]:
        """What roles allow; one that does not exist allows nothing."""
        names = tuple(roles)
        if names not in self._granted:
            known = [name for name in names if name in self._roles.names]
            given = (each.grant for name in known for each in self._roles.given(name))
            if len(self._granted) >= _MOST_KEPT:
                self._granted.clear()
            self._granted[names] = tuple(dict.fromkeys(given))
        return self._granted[names]

    def of_key(self, key: KeyRecord, owner: PrincipalRecord) -> tuple[Grant, ...]:
        """What a key of ``owner`` may do."""
        at = (key.roles, owner.roles, key.narrowing)
        found = self._met.get(at)
        if found is None:
            found = _held_to(self.of_roles(key.roles), self.of_roles(owner.roles))
            if key.narrowing:
                found = _held_to(found, _readable(key.narrowing))
            if len(self._met) >= _MOST_KEPT:
                self._met.clear()
            self._met[at] = found
        return found

    def at_most(self, key: KeyRecord) -> tuple[Grant, ...]:
        """What a key might do, whatever its principal may: that could be changed one day."""
        grants = self.of_roles(key.roles)
        narrowing = _readable(key.narrowing)
        # One that another version of Headgate wrote may allow there what cannot be read here.
        if not key.narrowing or len(narrowing) < len(key.narrowing):
            return grants
        return _held_to(grants, narrowing)

    def require(self, actor: Actor, grant: Grant, what: str) -> None:
        """Check that the actor has a grant.

        Raises:
            NotAllowed: it has not.
        """
        if not actor.is_operator and not covers(actor.grants, (grant,)):
            needed = write_grant(grant)
            raise NotAllowed(f"{what} needs {needed}, which '{actor.name}' has not", (needed,))

    def require_principal(self, actor: Actor, principal: PrincipalRecord) -> None:
        """Check that the actor may do all that the principal may.

        Raises:
            NotAllowed: it may not.
        """
        what = f"the principal '{principal.name}' ({principal.id})"
        self._require_all(actor, what, self.of_roles(principal.roles), principal.roles)

    def require_key(self, actor: Actor, key: KeyRecord) -> None:
        """Check that the actor may do all that the key may, whatever its principal may.

        Raises:
            NotAllowed: it may not.
        """
        what = f"the key '{key.name}' ({key.id})"
        self._require_all(actor, what, self.at_most(key), key.roles)

    def _require_all(
        self, actor: Actor, what: str, grants: Sequence[Grant], roles: Sequence[str]
    ) -> None:
        if actor.is_operator:
            return
        for role in roles:
            # Another gate on the same store may have it, or this one after its next reload.
            if role not in self._roles.names:
                raise NotAllowed(
                    f"{what} has the role {role!r}, which this gate does not know, so nobody can "
                    "be said to have what it allows; change its roles on the gate's machine"
                )
        missing = lacking(actor.grants, grants)
        if missing:
            raise NotAllowed(
                f"{what} may do more than '{actor.name}', who lacks {listed(missing)}; only "
                "somebody who may do all of it can change it",
                missing,
            )


def _held_to(grants: Sequence[Grant], limits: Sequence[Grant]) -> tuple[Grant, ...]:
    """The grants, each only where the limits allow it too.

    One by one, as a gate does it (``policy.comparison.held_to``): to find what is said twice among
    all of them takes seconds where both are many.
    """
    if covers(limits, grants):
        return tuple(grants)
    return tuple(dict.fromkeys(each for grant in grants for each in meet((grant,), limits)))


def _readable(narrowing: Sequence[str]) -> tuple[Grant, ...]:
    """The grants of a narrowing; what cannot be read allows nothing."""
    found = []
    for text in narrowing:
        with contextlib.suppress(GrantError):
            found.append(parse_grant(text))
    return tuple(found)


def lacking(held: Sequence[Grant], wanted: Sequence[Grant]) -> tuple[str, ...]:
    """The grants of ``wanted`` that ``held`` do not allow in full."""
    return tuple(write_grant(grant) for grant in wanted if not covers(held, (grant,)))


def listed(grants: Sequence[str]) -> str:
    """Some grants in a sentence."""
    if len(grants) > NAMED:
        return joined((*grants[:NAMED], f"{len(grants) - NAMED} more"), "and")
    return joined(grants, "and")


def checked_narrowing(texts: Sequence[str]) -> tuple[str, ...]:
    """The grants of a narrowing, each once and as ``write_grant`` writes it.

    Raises:
        Invalid: one cannot be read, or there are too many.
    """
    if len(texts) > MOST_GRANTS:
        raise Invalid(f"a narrowing has at most {MOST_GRANTS} grants", "narrowing")
    grants = []
    for text in texts:
        try:
            grants.append(write_grant(parse_grant(text)))
        except GrantError as error:
            refuse_secret(text, "narrowing")
            raise Invalid(f"the grant {text!r} of the narrowing: {error}", "narrowing") from None
    return tuple(dict.fromkeys(grants))
