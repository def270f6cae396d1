"""What operators have asked of an upstream: the record that all gates follow.

Times are seconds since the epoch, since gates on several machines have to agree on them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Park:
    """New requests wait at the gate until the park ends.

    Attributes:
        id: drawn at random, 16 hexadecimal digits.
        by: the name of the principal that asked for it.
        sentence: why, for clients and operators; may be empty.
        started_at: when it was asked for.
        ends_at: when it ends unless it is renewed.
        lease: whether a command holds it.  At its end a park by a person releases the requests; a
            lease that was not renewed refuses them, since nobody has said that MLflow is well.
        admits: the id of a credential whose requests pass all the same, such as that of the
            verification of a new version; empty: none.
    """

    id: str
    by: str
    sentence: str
    started_at: float
    ends_at: float
    lease: bool = False
    admits: str = ""


@dataclass(frozen=True, slots=True)
class ReadOnly:
    """Requests that would change something are refused until ``ends_at``.

    Attributes:
        id: drawn at random, 16 hexadecimal digits.
        by: the name of the principal that asked for it.
        sentence: why, for clients and operators; may be empty.
        started_at: when it was asked for.
        ends_at: when it ends.
    """

    id: str
    by: str
    sentence: str
    started_at: float
    ends_at: float


@dataclass(frozen=True, slots=True)
class Directive:
    """What is asked of one upstream now.

    Attributes:
        upstream: its name.
        revision: counts the changes, from 0 for an upstream of which nothing was ever asked.
        asked: the revision of the last change that was no renewal of a lease: a gate which
            follows this one, or a later one, does what is asked.
        park: the park in force or over, ``None``: none, or it was ended.
        read_only: the same for the read-only switch.
    """

    upstream: str
    revision: int = 0
    park: Park | None = None
    read_only: ReadOnly | None = None
    asked: int = 0
