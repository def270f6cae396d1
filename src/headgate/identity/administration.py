"""What can be done to principals and keys: the one set of rules for the CLI and the API.

Each method is one transaction, so that what it has checked is still true when it is kept.  See
``reach`` for who may change what.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from headgate.auth.keys.form import digest
from headgate.config.auth import KeyRules
from headgate.identity import imports, keys, principals, showing
from headgate.identity.actor import Actor
from headgate.identity.errors import Invalid, NotAllowed
from headgate.identity.reach import ADMINISTER, READ, Reach
from headgate.identity.requests import (
    BreakGlass,
    ImportedKey,
    KeyChange,
    KeyFilter,
    NewKey,
    NewPrincipal,
    PrincipalChange,
    Rotation,
)
from headgate.identity.views import (
    Changed,
    Issued,
    KeyList,
    KeyPage,
    KeyView,
    PrincipalPage,
    PrincipalView,
    Revoked,
)
from headgate.identity.work import Work
from headgate.policy import Roles
from headgate.stores.identity import Transaction, Transactions

HandOver = Callable[[KeyView, str], None]
"""Gives a new key and its secret to whom it is for."""


_CURSOR: Final = re.compile(r"[0-9]{1,18}")
_CURSOR_OF_BOTH: Final = re.compile(r"[pk][0-9]{1,18}")


def _keep(_key: KeyView, _secret: str) -> None:
    """Hand over nothing: the caller gets the secret with the result."""


class Administration:
    """Principals and keys in a store, under the rules.

    Every method takes the actor first.  All but those that read need ``administer:gate``; those
    need that or ``read:gate``.  Names and ids are taken alike; of several keys that had one name,
    the latest is meant.

    Args:
        store: where they are; it is not closed.
        roles: those that exist.
        rules: for the lives of keys.
        clock: seconds since the epoch.
    """

    def __init__(
        self, store: Transactions, roles: Roles, rules: KeyRules, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._reach = Reach(roles)
        self._rules = rules
        self._clock = clock

    # Principals.

    def principals(self, actor: Actor) -> list[PrincipalView]:
        """Every principal, oldest first.

        Raises:
            NotAllowed: the actor may not read them.
            HeadgateError: the store cannot be read.
        """
        with self._reading(actor) as work:
            return showing.principals(work)

    def principal_page(self, actor: Actor, *, after: str | None, limit: int) -> PrincipalPage:
        """At most so many principals, from where another page ended.

        Raises:
            Invalid: no page ended so.
            NotAllowed: the actor may not read them.
            HeadgateError: the store cannot be read.
        """
        start = _cursor(after, "p0")
        with self._reading(actor) as work:
            return showing.principal_page(work, start, limit)

    def principal(self, actor: Actor, name_or_id: str) -> PrincipalView:
        """One principal.

        Raises:
            NotFound: there is none.
            NotAllowed: the actor may not read it.
            HeadgateError: the store cannot be read.
        """
        with self._reading(actor) as work:
            return showing.one_principal(work, work.principal(name_or_id))

    def create_principal(self, actor: Actor, new: NewPrincipal) -> PrincipalView:
        """Make a principal.

        Raises:
            Invalid: the name or description is not fit, or a role does not exist.
            Conflict: another has the name.
            NotAllowed: it could do more than the actor.
            HeadgateError: the store cannot be written.
        """
        with self._changing(actor) as work:
            return showing.one_principal(work, principals.create(work, new))

    def change_principal(
        self, actor: Actor, name_or_id: str, change: PrincipalChange
    ) -> PrincipalView:
        """Change the name, the roles or the description; the id stays.

        Fewer roles take from its keys what they do not allow.

        Raises:
            NotFound: there is none.
            Invalid: the name or description is not fit, or a role does not exist.
            Conflict: another has the name.
            NotAllowed: it may or could do more than the actor.
            HeadgateError: the store cannot be written.
        """
        with self._changing(actor) as work:
            return showing.one_principal(work, principals.change(work, name_or_id, change))

    def disable_principal(self, actor: Actor, name_or_id: str) -> PrincipalView:
        """Let none of its keys be accepted; one that is disabled already stays as it is.

        Raises:
            NotFound: there is none.
            NotAllowed: the actor lacks ``administer:gate``.
            HeadgateError: the store cannot be written.
        """
        with self._changing(actor) as work:
            return showing.one_principal(work, principals.disable(work, name_or_id))

    def enable_principal(self, actor: Actor, name_or_id: str) -> PrincipalView:
        """Let its keys be accepted again.

        Raises:
            NotFound: there is none.
            NotAllowed: it may do more than the actor.
            HeadgateError: the store cannot be written.
        """
        with self._changing(actor) as work:
            return showing.one_principal(work, principals.enable(work, name_or_id))

    # Keys.

    def keys(self, actor: Actor, wanted: KeyFilter = KeyFilter()) -> KeyList:  # noqa: B008 - frozen
        """The keys that meet a filter, revoked and expired ones too.

        Raises:
            NotFound: the filter names a principal that there is not.
            Invalid: the filter names a state that there is not.
            NotAllowed: the actor may not read them.
            HeadgateError: the store cannot be read.
        """
        with self._reading(actor) as work:
            return showing.keys(work, wanted)

    def key_page(
        self, actor: Actor, wanted: KeyFilter, *, after: str | None, limit: int
    ) -> KeyPage:
        """At most so many of the keys that meet a filter, from where another page ended.

        Raises:
            NotFound: the filter names a principal that there is not.
            Invalid: no page ended so.
            NotAllowed: the actor may not read them.
            HeadgateError: the store cannot be read.
        """
        start = _cursor(after, "0")
        with self._reading(actor) as work:
            return showing.key_page(work, wanted, int(start), limit)

    def key(self, actor: Actor, name_or_id: str) -> KeyView:
        """One key, with what it may do all told.

        Raises:
            NotFound: there is none.
            Conflict: it is damaged.
            NotAllowed: the actor may not read it.
            HeadgateError: the store cannot be read.
        """
        with self._reading(actor) as work:
            return showing.one_key(work, work.key(name_or_id), with_grants=True)

    def create_key(self, actor: Actor, new: NewKey, hand_over: HandOver = _keep) -> Issued:
        """Make a key.

        ``hand_over`` gives the secret to whom it is for, before the key is kept: where it raises,
        there is no key.

        Raises:
            NotFound: there is no such principal.
            Invalid: the name, description, end or narrowing is not fit, a role does not exist, or
                its principal may not do what the key is to do.
            Conflict: an active key has the name, or the principal is disabled.
            NotAllowed: the key or its principal could do more than the actor.
            HeadgateError: the store cannot be written.
        """
        secret = keys.new_secret()
        with self._changing(actor) as work:
            made = keys.create(work, new, digest(secret))
            view = showing.one_key(work, made.key)
            hand_over(view, secret)
        return Issued(view, secret, notes=made.notes)

    def rotate_key(
        self,
        actor: Actor,
        name_or_id: str,
        rotation: Rotation = Rotation(),  # noqa: B008 - frozen
        hand_over: HandOver = _keep,
    ) -> Issued:
        """Replace a key by one that may do the same; the old one ends after the overlap.

        ``hand_over`` as for a new key.

        Raises:
            NotFound: there is none.
            Conflict: it has ended, was replaced already, is for an emergency, or its principal is
                disabled.
            Invalid: the end or the overlap is not fit.
            NotAllowed: the key or its principal may do more than the actor.
            HeadgateError: the store cannot be written.
        """
        secret = keys.new_secret()
        with self._changing(actor) as work:
            made, old = keys.rotate(work, name_or_id, rotation, digest(secret))
            view, replaced = showing.one_key(work, made.key), showing.one_key(work, old)
            hand_over(view, secret)
        return Issued(view, secret, replaced, made.notes)

    def revoke_key(self, actor: Actor, name_or_id: str) -> Revoked:
        """End a key for good; one that is revoked already stays as it is.

        Raises:
            NotFound: there is none.
            Conflict: it is damaged.
            NotAllowed: the actor lacks ``administer:gate``.
            HeadgateError: the store cannot be written.
        """
        with self._changing(actor) as work:
            record, was_revoked = keys.revoke(work, name_or_id)
            others = [showing.one_key(work, each) for each in work.active_named(record.name)]
            return Revoked(showing.one_key(work, record), was_revoked, tuple(others))

    def expire_key(self, actor: Actor, name_or_id: str, end: float) -> KeyView:
        """Give a key another end, in seconds since the epoch; ``inf``: none.

        Raises:
            NotFound: there is none.
            Conflict: it has ended; or the end is later, and it was replaced or is for an emergency.
            Invalid: the end lies in the past, or is later than the rules allow.
            NotAllowed: the end is later, and the key or its principal may do more than the actor.
            HeadgateError: the store cannot be written.
        """
        with self._changing(actor) as work:
            return showing.one_key(work, keys.expire(work, name_or_id, end))

    def change_key(self, actor: Actor, name_or_id: str, change: KeyChange) -> Changed:
        """Change the roles, the narrowing or the description.

        Raises:
            NotFound: there is none.
            Conflict: it is revoked.
            Invalid: the narrowing or description is not fit, a role does not exist, or its
                principal may not do what the key is to do.
            NotAllowed: the key or its principal may or could do more than the actor.
            HeadgateError: the store cannot be written.
        """
        with self._changing(actor) as work:
            made = keys.change(work, name_or_id, change)
            return Changed(showing.one_key(work, made.key), made.notes)

    def import_key(self, actor: Actor, new: NewKey, sha256: bytes) -> KeyView:
        """Add a key that exists already, by the SHA-256 of its secret.

        Raises:
            Conflict: a key with that digest was there already; and as for ``create_key``.
            Invalid: it is no digest, or that of an example; and as for ``create_key``.
            IdentityError: as for ``create_key``.
            HeadgateError: the store cannot be written.
        """
        with self._changing(actor) as work:
            return showing.new_key(work, imports.one(work, ImportedKey(new, sha256)).key)

    def import_keys(self, actor: Actor, entries: Sequence[ImportedKey]) -> list[KeyView]:
        """Add several keys that exist already: all, or none.

        Raises:
            ImportRefused: it has the problem of each key that has one.
            NotAllowed: the actor lacks ``administer:gate``.
            HeadgateError: the store cannot be written.
        """
        with self._changing(actor) as work:
            return [showing.new_key(work, made.key) for made in imports.several(work, entries)]

    def create_break_glass(
        self, actor: Actor, wanted: BreakGlass, hand_over: HandOver = _keep
    ) -> Issued:
        """Make a short-lived key of an administrator; gates announce it.  ``hand_over`` as above.

        Raises:
            Invalid: there is no reason, or the life is not fit.
            Conflict: an active key has the name, or the account for emergencies is disabled.
            NotAllowed: the actor is no administrator.
            HeadgateError: the store cannot be written.
        """
        secret = keys.new_secret()
        with self._changing(actor) as work:
            record = keys.for_emergency(
                work, wanted.reason, wanted.life, wanted.name, digest(secret)
            )
            view = showing.one_key(work, record)
            hand_over(view, secret)
        return Issued(view, secret)

    @contextlib.contextmanager
    def _changing(self, actor: Actor) -> Iterator[Work]:
        with self._store.transaction() as transaction:
            yield self._work(actor, transaction)

    @contextlib.contextmanager
    def _reading(self, actor: Actor) -> Iterator[Work]:
        with self._store.reading() as transaction:
            work = self._work(actor, transaction)
            try:
                work.reach.require(actor, READ, "reading principals and keys")
            except NotAllowed:
                work.reach.require(actor, ADMINISTER, "reading principals and keys")
            yield work

    def _work(self, actor: Actor, transaction: Transaction) -> Work:
        return Work(transaction, actor, self._reach, self._rules, self._clock())


def _cursor(after: str | None, first: str) -> str:
    """Where a page begins; ``first`` shows the form."""
    if after is None:
        return first
    form = _CURSOR_OF_BOTH if first.startswith("p") else _CURSOR
    if form.fullmatch(after) is None:
        raise Invalid("the cursor is not one that a page of this list ended with", "cursor")
    return after
