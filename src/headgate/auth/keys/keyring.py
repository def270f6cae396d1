"""All keys, in memory: the only thing that a request's key is checked against.

It belongs to the event loop's thread, which looks keys up and puts changed ones in their place.
One changed key costs the same whatever the number of the others; a whole new content is built
beside the one in force, a slice at a time (``Content``).
"""

from __future__ import annotations

import math
import time
from typing import Final

from headgate.auth.keys.entry import Entry, Owner
from headgate.auth.uses import Use, UseLog
from headgate.model import AuthMethod, Principal
from headgate.policy import Roles
from headgate.stores.records import KeyRecord, PrincipalRecord

NEAR_SECONDS: Final = 60.0
"""All keys are looked at more often than this."""


class Content:
    """Keys and their owners.

    Attributes:
        entries: the keys by their digests.
        by_id: the same by their ids.
        owners: the principals by their ids.
        active: how many keys are accepted, after ``settle``.
        ending: those that may expire before all keys are looked at again.
    """

    def __init__(self) -> None:
        self.entries: dict[bytes, Entry] = {}
        self.by_id: dict[str, Entry] = {}
        self.owners: dict[str, Owner] = {}
        self.active = 0
        self.ending: list[Entry] = []
        self._shared: dict[tuple[str, ...], tuple[str, ...]] = {}

    def put_owner(self, record: PrincipalRecord) -> Owner | None:
        """Take in a principal; its old self, if it was another."""
        disabled = record.disabled_at is not None
        owner = self.owners.get(record.id)
        if owner is None:
            self.owners[record.id] = Owner(
                record.id, record.name, self._one_of(record.roles), disabled=disabled
            )
            return None
        if (owner.name, owner.roles, owner.disabled) == (record.name, record.roles, disabled):
            return None
        before = Owner(owner.id, owner.name, owner.roles, disabled=owner.disabled)
        if owner.disabled is not disabled:
            self.active += -owner.active if disabled else owner.active
        owner.name, owner.roles, owner.disabled = record.name, self._one_of(record.roles), disabled
        return before

    def put_key(self, record: KeyRecord, now: float) -> tuple[Entry | None, Entry]:
        """Take in a key: the one that it takes the place of, and the new one."""
        before = self.by_id.get(record.id)
        if before is not None:
            self.remove(before)
        owner = self._owner_of(record)
        entry = Entry(record, owner, self._one_of(record.roles), self._one_of(record.narrowing))
        other = self.entries.get(entry.digest)
        if other is not None:  # no store has two keys of one digest
            self.remove(other)
        self.entries[entry.digest] = self.by_id[entry.id] = entry
        self._count(entry, not entry.revoked and entry.expires_at > now)
        self.look_again(entry, now)
        return before, entry

    def remove(self, entry: Entry) -> None:
        """Forget a key."""
        self._count(entry, False)
        del self.entries[entry.digest]
        del self.by_id[entry.id]

    def settle(self, now: float) -> None:
        """Let ``active`` be right about keys that have expired by now."""
        if self.ending:
            for entry in self.ending:
                if entry.expires_at <= now:
                    self._count(entry, False)
            self.ending = [entry for entry in self.ending if entry.is_counted]

    def look_again(self, entry: Entry, now: float) -> None:
        """Let ``settle`` look at a key, if it expires soon."""
        if entry.expires_at <= now + NEAR_SECONDS:
            self.ending.append(entry)

    def _count(self, entry: Entry, counts: bool) -> None:
        if entry.is_counted is not counts:
            entry.is_counted = counts
            change = 1 if counts else -1
            entry.owner.active += change
            if not entry.owner.disabled:
                self.active += change

    def _owner_of(self, record: KeyRecord) -> Owner:
        if not record.principal_id:  # made by a gate of an older schema: an account of its own
            own = f"p_{record.id[2:]}"
            return self.owners.setdefault(own, Owner(own, record.name, None, disabled=False))
        owner = self.owners.get(record.principal_id)
        if owner is None:  # no store has such a key; nobody is let in by it
            owner = Owner(record.principal_id, record.principal_id, (), disabled=True)
            self.owners[record.principal_id] = owner
        return owner

    def _one_of(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """The same texts, as one object for all that have them."""
        return self._shared.setdefault(texts, texts)


class Keyring:
    """The keys in force, what they may do, and whether they are still to be trusted.

    Args:
        roles: what the keys may do; ``None``: the roles built in.
        notice: seconds before its end from which a key's responses say that it expires.
        max_stale: seconds after which keys are refused that were not compared with the store.

    Attributes:
        content: the keys.
        stale_from: seconds since the epoch from which all keys are refused; ``-inf`` before any was
            read.
        uses: where uses of keys are noted.
    """

    def __init__(
        self, roles: Roles | None = None, *, notice: float = 0.0, max_stale: float = math.inf
    ) -> None:
        self.content = Content()
        self.stale_from = -math.inf
        self.uses: Final = UseLog()
        self._roles = Roles() if roles is None else roles
        self._edition = 0
        self._notice: Final = notice
        self._max_stale: Final = max_stale

    @property
    def roles(self) -> Roles:
        """What the keys may do."""
        return self._roles

    @property
    def was_read(self) -> bool:
        """Whether there are keys at all, or the store was never read."""
        return self.stale_from != -math.inf

    def compared(self, now: float) -> None:
        """The keys are those of the store at ``now``, in seconds since the epoch."""
        self.stale_from = now + self._max_stale

    def regrant(self, roles: Roles) -> None:
        """From now on the keys may do what ``roles`` say."""
        self._roles = roles
        self.work_out_again()

    def work_out_again(self) -> None:
        """Work out anew who the holders of all keys are and what they may do, when they ask."""
        self._edition += 1

    def find(self, digest: bytes) -> Entry | None:
        """The key with that SHA-256, if there is one."""
        return self.content.entries.get(digest)

    def notice_from(self, entry: Entry) -> float:
        """From when on a key's responses say that it expires, in seconds since the epoch."""
        return entry.expires_at - self._notice

    def holder(self, entry: Entry, now: float) -> Principal:
        """Who shows a key at ``now``."""
        is_noticed = self.notice_from(entry) <= now
        principal = entry.principal
        if (
            principal is not None
            and entry.edition == self._edition
            and entry.is_noticed is is_noticed
        ):
            return principal
        owner = entry.owner
        principal = Principal(
            owner.id,
            owner.name,
            AuthMethod.KEY,
            grants=self._roles.grants_for(entry.name, entry.roles, owner.roles, entry.narrowing),
            credential=entry.id,
            response_lines=_expiry_line(entry.expires_at) if is_noticed else b"",
        )
        entry.principal, entry.edition, entry.is_noticed = principal, self._edition, is_noticed
        return principal

    def use_of(self, entry: Entry) -> Use:
        """Where the uses of a key are noted."""
        use = entry.use
        if use is None:
            use = entry.use = Use(entry.id, self.uses)
        return use

    def missing_roles(self, entry: Entry) -> list[str]:
        """The roles of a key and its owner that do not exist."""
        names = (*entry.roles, *(entry.owner.roles or ()))
        return [role for role in dict.fromkeys(names) if role not in self._roles]


def _expiry_line(expires_at: float) -> bytes:
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires_at))
    return b"X-Headgate-Key-Expires: %b\r\n" % moment.encode("ascii")
