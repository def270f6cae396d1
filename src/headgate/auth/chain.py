"""The authenticators of a gate, asked one after another who sends a request.

Each authenticator knows one kind of credentials.  It identifies their holder, refuses them, needs
I/O to tell (``Pending``), or says that they are not its own (``None``): then the next one is asked.
Credentials that no authenticator takes are refused.  What the client shows is read once, in one
strict way (``credentials.py``): credentials that can be read in two ways reach no authenticator
that reads any.

An identity may be kept for a connection, since a client sends the same credentials with each
request: until its ``good_until``, and only while the ``generation`` of the chain stays the same.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from mypy_extensions import mypyc_attr

from headgate.auth.credentials import Credentials, read_credentials
from headgate.auth.refusals import ENDED, not_taken
from headgate.auth.uses import Use
from headgate.errors import Refusal
from headgate.model import Principal
from headgate.wire.request_fields import CredentialFields


class Identified:
    """Who sends the request.

    Attributes:
        principal: who it is.
        good_until: seconds since the epoch, ``inf`` for no end.
        use: where the uses of these credentials are noted, if they are.
    """

    __slots__ = ("good_until", "principal", "use")

    def __init__(self, principal: Principal, good_until: float, use: Use | None = None) -> None:
        self.principal: Final = principal
        self.good_until: Final = good_until
        self.use: Final = use


class Pending:
    """It takes I/O to tell, such as fetching the keys of an issuer.

    ``resolve`` begins that I/O when it is called, and its result tells; it may be cancelled when
    the client leaves.
    """

    __slots__ = ("resolve",)

    def __init__(self, resolve: Callable[[], Awaitable[Identified | Refusal | None]]) -> None:
        self.resolve: Final = resolve


@mypyc_attr(allow_interpreted_subclasses=True)
class Authenticator:
    """Knows one kind of credentials.

    Attributes:
        generation: raised whenever credentials may mean something else than before, such as when a
            key is revoked.  The end of an identity needs no new generation: ``good_until`` says it.
        reads_credentials: ``False`` for one that identifies clients whatever they show.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.reads_credentials = True

    @abstractmethod
    def authenticate(
        self, credentials: Credentials, now: float
    ) -> Identified | Refusal | Pending | None:
        """Who shows these credentials; ``None`` if they are not of this authenticator's kind.

        Called on the request path: it must not block.  ``now``: seconds since the epoch.
        """


class Waiting:
    """A request whose sender takes I/O to identify; ``AuthenticatorChain.finish`` does it."""

    __slots__ = ("at", "credentials", "pending")

    def __init__(self, pending: Pending, credentials: Credentials, at: int) -> None:
        self.pending: Final = pending
        self.credentials: Final = credentials
        self.at: Final = at


class AuthenticatorChain:
    """Asks authenticators in their order.

    Args:
        authenticators: the first that takes the credentials decides.
        clock: seconds since the epoch.
    """

    def __init__(self, authenticators: Sequence[Authenticator], clock: Callable[[], float]) -> None:
        self._authenticators: Final = list(authenticators)
        self.clock: Final = clock

    def generation(self) -> int:
        """A number that grows whenever that of an authenticator does."""
        total = 0
        for each in self._authenticators:
            total += each.generation
        return total

    def authenticate(
        self, fields: CredentialFields, address: str = ""
    ) -> Identified | Refusal | Waiting:
        """Who sends a request with these header fields from ``address``."""
        return self._ask(read_credentials(fields, address), 0)

    async def finish(self, waiting: Waiting) -> Identified | Refusal:
        """Who sends the request, once the I/O that it takes to tell is done."""
        credentials = waiting.credentials
        while True:
            found = await waiting.pending.resolve()
            if found is not None:
                return _unless_ended(found, self.clock())
            following = self._ask(credentials, waiting.at + 1)
            if not isinstance(following, Waiting):
                return following
            waiting = following

    def _ask(self, credentials: Credentials, start: int) -> Identified | Refusal | Waiting:
        """Ask the authenticators from the one at ``start`` on."""
        now = self.clock()
        for at in range(start, len(self._authenticators)):
            authenticator = self._authenticators[at]
            if credentials.malformed is not None and authenticator.reads_credentials:
                continue
            found = authenticator.authenticate(credentials, now)
            if isinstance(found, Pending):
                return Waiting(found, credentials, at)
            if found is not None:
                return _unless_ended(found, now)
        if credentials.malformed is not None:
            return credentials.malformed
        return not_taken(credentials.token)


def _unless_ended(found: Identified | Refusal, now: float) -> Identified | Refusal:
    if isinstance(found, Identified) and found.good_until <= now:
        return ENDED
    return found
