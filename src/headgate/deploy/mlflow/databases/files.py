"""Files that are whole and on the disk, or not there."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from headgate.deploy.mlflow import durable
from headgate.deploy.mlflow.errors import DatabaseError
from headgate.deploy.mlflow.records import Snapshot
from headgate.deploy.mlflow.words import size_in_words

_PART: Final = 1024 * 1024


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def in_place_of(partial: Path) -> Iterator[None]:
    """Make a file under another name in the block; if that fails, no room is taken by it."""
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    try:
        yield
    except BaseException:  # interrupted, too: the disk may be full, and the journal needs it
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def put(partial: Path, at: Path) -> None:
    """Give a file its name, on the disk when this returns; what had the name is replaced.

    Raises:
        OSError: it cannot be.
    """
    durable.sync(partial)
    partial.replace(at)
    durable.sync(at.parent)


def check(snapshot: Snapshot) -> None:
    """Whether the file of a snapshot is the one that was made.

    Raises:
        DatabaseError: it is not.
    """
    path = Path(snapshot.place)
    try:
        size, digest = path.stat().st_size, digest_of(path)
    except OSError as error:
        raise DatabaseError(
            f"the snapshot {path} cannot be read: {error.strerror}; put it back there, since the "
            "way back needs it"
        ) from None
    if size != snapshot.size or digest != snapshot.digest:
        raise DatabaseError(
            f"the snapshot {path} is not the one that was made: it has {size_in_words(size)} and "
            f"another SHA-256 than {snapshot.digest}; put back the one that was made"
        )
