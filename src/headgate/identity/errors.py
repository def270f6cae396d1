"""Why something was not done to a principal or key; nothing was changed then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headgate.errors import HeadgateError

# They are named for what the caller meets, as the API's documents name them.


class IdentityError(HeadgateError):
    """One plain sentence for the person who asked; it never holds a secret."""


class NotFound(IdentityError):  # noqa: N818 - see above
    """There is no principal, key or role of that name or id."""


class Conflict(IdentityError):  # noqa: N818 - see above
    """The principal or key is in a state in which this cannot be done, or its name is taken."""


class NotAllowed(IdentityError):  # noqa: N818 - see above
    """The actor may not do this.

    ``missing`` has the grants that it lacks (``headgate.policy.grammar``).
    """

    def __init__(self, message: str, missing: Sequence[str] = ()) -> None:
        self.missing = tuple(missing)
        super().__init__(message)


class Invalid(IdentityError):  # noqa: N818 - see above
    """What was asked for makes no sense, or the rules of this gate do not allow it.

    ``field`` is the name of the field of the request that is wrong; empty: no single one.
    """

    def __init__(self, message: str, field: str = "") -> None:
        self.field = field
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class EntryProblem:
    """What is wrong with one of several keys; ``index`` counts from 0."""

    index: int
    error: IdentityError


class ImportRefused(Invalid):
    """Some of several keys cannot be imported, so none was; ``problems`` has all that is wrong."""

    def __init__(self, problems: Sequence[EntryProblem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        more = f", and {len(self.problems) - 1} more" if len(self.problems) > 1 else ""
        super().__init__(
            f"no key was imported: entry {first.index + 1}: {first.error}{more}", "keys"
        )
