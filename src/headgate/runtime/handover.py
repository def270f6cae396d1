"""What a worker leaves to the one that replaces it: the last configuration that was fit.

A replacement starts from what is left here, whatever stands on disk by then, and follows the disk
from then on like any other worker.  The keys are left likewise (``kept_keys.py``).
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from headgate.auth.tokens.follower import LeftKeys
from headgate.config import Config
from headgate.runtime.link import Link
from headgate.upstreams.known_answers import Answers

_CONFIGURATION: Final = "configuration"
_ISSUERS: Final = "issuers"
_ANSWERS: Final = "answers"
_Kind = TypeVar("_Kind")


@dataclass(frozen=True, slots=True)
class InForce:
    """A configuration, and the contents of the files with certificates and secrets, by path."""

    config: Config
    files: Mapping[str, bytes]


class Handover:
    """What the workers of one gate leave to each other, in the memory of a link."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._left: InForce | None = None

    def leave(self, in_force: InForce) -> None:
        """Leave a configuration."""
        if in_force != self._left:
            self._left = in_force
            self._link.keep(_CONFIGURATION, pickle.dumps(in_force))

    def leave_issuers(self, keys: Mapping[str, LeftKeys]) -> None:
        """Leave the signing keys of all issuers, by the name of the issuer."""
        self._link.keep(_ISSUERS, pickle.dumps(dict(keys)))

    def issuers(self) -> dict[str, LeftKeys] | None:
        """The signing keys that were left last."""
        return _loaded(self._link.kept(_ISSUERS), dict)

    def leave_answers(self, answers: Answers) -> None:
        """Leave what MLflow said last of itself, by upstream."""
        self._link.keep(_ANSWERS, pickle.dumps(answers))

    def answers(self) -> Answers | None:
        """What was left last of that."""
        return _loaded(self._link.kept(_ANSWERS), dict)

    def in_force(self) -> InForce | None:
        """The configuration that was left last."""
        return _loaded(self._link.kept(_CONFIGURATION), InForce)


def _loaded(content: bytes | None, kind: type[_Kind]) -> _Kind | None:
    if content is None:
        return None
    found = pickle.loads(content)  # noqa: S301 - written by this program, in memory of its own
    return found if isinstance(found, kind) else None
