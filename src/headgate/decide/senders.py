"""The phase authenticate: who sends the requests of each connection.

A client sends the same credentials with each request of its connection, so the connection's last
identity is kept and asked first.  It never outlives what it was made from: other header fields, a
new generation of the authenticators and its own ``good_until`` each end it.
"""

from __future__ import annotations

import math
from typing import Final

from headgate.auth.chain import AuthenticatorChain, Identified, Waiting
from headgate.dataplane.decisions import Caller
from headgate.errors import Refusal
from headgate.limits import Strangers
from headgate.model import Principal
from headgate.wire.request_fields import CredentialFields, RequestFields

_NO_END: Final = math.inf


class _LastSender:
    """Who sent the last request of a connection."""

    __slots__ = ("fields", "generation", "good_until", "principal", "use")

    def __init__(self, fields: CredentialFields, generation: int, identified: Identified) -> None:
        self.fields: Final = fields
        self.generation: Final = generation
        self.principal: Final = identified.principal
        self.good_until: Final = identified.good_until
        self.use: Final = identified.use


class Senders:
    """Identifies the senders of requests; remembers the last one of each connection.

    Args:
        chain: knows whose credentials are whose.
        strangers: throttles failed authentications; by default nothing does.
    """

    def __init__(self, chain: AuthenticatorChain, strangers: Strangers | None = None) -> None:
        self._chain: Final = chain
        self._strangers: Final = strangers

    def identify(self, fields: RequestFields, caller: Caller) -> Principal | Refusal | Waiting:
        """Who sends a request with these header fields on the connection of ``caller``."""
        generation = self._chain.generation()
        last = caller.memo
        if (
            isinstance(last, _LastSender)
            and last.fields is fields.credentials
            and last.generation == generation
            # To read the clock costs more than all the rest.
            and (last.good_until == _NO_END or self._chain.clock() < last.good_until)
        ):
            use = last.use
            if use is not None and use.at != use.log.now:
                use.note(fields.origin.address)
            return last.principal
        # Behind a trusted proxy the client's address is not that of the connection.
        found = self._chain.authenticate(fields.credentials, fields.origin.address)
        if isinstance(found, Identified):
            return _remembered(found, fields, caller, generation)
        return self._judged(found, fields) if isinstance(found, Refusal) else found

    async def finish(
        self, waiting: Waiting, fields: RequestFields, caller: Caller
    ) -> Principal | Refusal:
        """The same for a sender that takes I/O to identify."""
        # The generation before the I/O: what changes during it is then asked again.
        generation = self._chain.generation()
        found = await self._chain.finish(waiting)
        if isinstance(found, Identified):
            return _remembered(found, fields, caller, generation)
        return self._judged(found, fields)

    def _judged(self, refusal: Refusal, fields: RequestFields) -> Refusal:
        """The refusal of credentials; a client that shows none guesses none."""
        shown = fields.credentials
        if self._strangers is None or (shown.authorization is None and shown.api_key is None):
            return refusal
        return self._strangers.judge(refusal, fields.origin.address)


def _remembered(
    found: Identified, fields: RequestFields, caller: Caller, generation: int
) -> Principal:
    if found.use is not None:
        found.use.note(fields.origin.address)
    if fields.section:  # else no later request has the same credentials, by identity
        caller.memo = _LastSender(fields.credentials, generation, found)
    return found.principal
