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
from headgate.upstreams.known_answers import Answer, Answers

_CONFIGURATION: Final = "configuration"
ISSUERS: Final = "issuers-1"
ANSWERS: Final = "answers-1"
"""These go over to the next gate too, which may be another version: they are built of plain values,
and the number is that of their form."""
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
        plain = {name: (each.place, each.document, each.fetched_at) for name, each in keys.items()}
        self._link.keep(ISSUERS, pickle.dumps(plain))

    def issuers(self) -> dict[str, LeftKeys] | None:
        """The signing keys that were left last."""
        found = _loaded(self._link.kept(ISSUERS), dict)
        return found and {name: LeftKeys(*each) for name, each in found.items()}

    def leave_answers(self, answers: Answers) -> None:
        """Leave what MLflow said last of itself, by upstream."""
        plain = {
            name: {path: tuple(each) for path, each in known.items()}
            for name, known in answers.items()
        }
        self._link.keep(ANSWERS, pickle.dumps(plain))

    def answers(self) -> Answers | None:
        """What was left last of that."""
        found = _loaded(self._link.kept(ANSWERS), dict)
        return found and {
            name: {path: Answer(*each) for path, each in known.items()}
            for name, known in found.items()
        }

    def in_force(self) -> InForce | None:
        """The configuration that was left last."""
        return _loaded(self._link.kept(_CONFIGURATION), InForce)


def _loaded(content: bytes | None, kind: type[_Kind]) -> _Kind | None:
    if content is None:
        return None
    found = pickle.loads(content)  # noqa: S301 - written by this program, in memory of its own
    return found if isinstance(found, kind) else None
