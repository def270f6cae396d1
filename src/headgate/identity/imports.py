"""Imports keys that exist already, by the SHA-256 of their secrets."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.config.example_digests import DIGEST_BYTES, is_example
from headgate.identity import keys
from headgate.identity.errors import (
    Conflict,
    EntryProblem,
    IdentityError,
    ImportRefused,
    Invalid,
)
from headgate.identity.keys import Made
from headgate.identity.reach import ADMINISTER
from headgate.identity.requests import ImportedKey
from headgate.identity.work import Work

MOST = 10_000


def one(work: Work, entry: ImportedKey) -> Made:
    """Add one key.

    Raises:
        IdentityError: see ``Administration.import_key``.
    """
    _require_fit(entry.digest)
    holder = work.store.key_with(entry.digest)
    if holder is not None:
        raise Conflict(f"the key is there already: '{holder.name}' ({holder.id})")
    return keys.create(work, entry.key, entry.digest)


def several(work: Work, entries: Sequence[ImportedKey]) -> list[Made]:
    """Add several keys; a caller drops the transaction if this raises.

    Raises:
        ImportRefused: some cannot be added.
        IdentityError: none can.
    """
    work.reach.require(work.actor, ADMINISTER, "importing keys")
    if len(entries) > MOST:
        raise Invalid(f"at most {MOST} keys are imported together, not {len(entries)}", "keys")
    made, problems = [], []
    for index, entry in enumerate(entries):
        try:
            made.append(one(work, entry))
        except IdentityError as error:
            problems.append(EntryProblem(index, error))
    if problems:
        raise ImportRefused(problems)
    return made


def _require_fit(sha256: bytes) -> None:
    """Check that nobody but its holder can know the secret of a digest."""
    if len(sha256) != DIGEST_BYTES:
        raise Invalid(f"a SHA-256 has {DIGEST_BYTES} bytes, not {len(sha256)}", "digest")
    if is_example(sha256):
        raise Invalid(
            "that is the SHA-256 of an example, which everybody knows; take that of a key of your "
            "own",
            "digest",
        )
