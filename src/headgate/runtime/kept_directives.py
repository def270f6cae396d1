"""What was asked of upstreams last, in a file: for a gate that starts while its store is away.

Such a gate refuses keys, but knows the tokens of issuers, and would send what comes with them to an
MLflow that is parked.  So the worker that follows the store leaves what it finds there in the data
folder, before the gate acknowledges it.  Nothing is read from there while the store can be.

A park in the file ends when it was to end.  If it was ended meanwhile, a gate that cannot hear of
that goes on holding requests until then, or until the store is back.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from headgate.maintenance import Directive
from headgate.maintenance.documents import (
    UnreadableDirectiveError,
    directive_document,
    read_directive,
)

FORMAT: Final = 1
MOST_BYTES: Final = 1 << 20


class NotKeptError(Exception):
    """The file cannot be written, or not be read; the message says why."""


class KeptDirectives:
    """The file.

    Args:
        folder: where it is.
        store: which store was followed; what another one said means nothing.
    """

    def __init__(self, folder: Path, store: str) -> None:
        # Gates with different stores may share a folder.
        name = hashlib.sha256(store.encode()).hexdigest()[:12]
        self.path: Final = folder / f"maintenance-{name}.json"
        self._store: Final = store
        self._written: bytes | None = None

    def write(self, directives: Mapping[str, Directive]) -> None:
        """Keep what is asked now; where nothing is, there is no file.

        Raises:
            NotKeptError: it cannot be written.
        """
        asked = [
            directive_document(each)
            for _, each in sorted(directives.items())
            if each.park is not None or each.read_only is not None
        ]
        document = {"format": FORMAT, "store": self._store, "directives": asked}
        text = json.dumps(document, indent=1).encode() if asked else b""
        if text == self._written:
            return
        try:
            if text:
                self._replace(text)
            else:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            self._written = None
            raise NotKeptError(f"cannot be written: {error.strerror}") from None
        self._written = text

    def _replace(self, text: bytes) -> None:
        """Write another file and put it in the place of this one: what is there is always whole."""
        folder = self.path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = folder / f".{self.path.name}.{os.getpid()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            with open(os.open(draft, flags, 0o600), "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise
        opened = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)

    def read(self) -> Mapping[str, Directive]:
        """What was kept last of this store, by the names of upstreams; nothing without a file.

        Raises:
            NotKeptError: it is there and cannot be read.
        """
        try:
            with open(os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
                text = file.read(MOST_BYTES)
            found: Any = json.loads(text)
            if found["format"] != FORMAT:
                raise NotKeptError("was written by another version of Headgate")
            if found["store"] != self._store:
                return {}
            return {each.upstream: each for each in map(read_directive, found["directives"])}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise NotKeptError(f"cannot be read: {error.strerror}") from None
        except UnreadableDirectiveError as error:
            raise NotKeptError(f"cannot be understood: {error}") from None
        except (ValueError, TypeError, KeyError, RecursionError):
            raise NotKeptError("cannot be understood: it is not as Headgate writes it") from None
