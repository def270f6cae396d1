"""Sends the requests of the resolver to an upstream, in its dialect and through its queue."""

from __future__ import annotations

from headgate.contract import classify, translate
from headgate.dataplane.call import CallError, CallResponse
from headgate.decide.resolver import UnresolvableError
from headgate.errors import Refusal
from headgate.model import NOBODY, Principal
from headgate.upstreams.live import LiveUpstream


class Lookup:
    """Sends the questions of a ``Resolver`` to one upstream."""

    def __init__(self, upstream: LiveUpstream) -> None:
        self._upstream = upstream

    async def __call__(
        self,
        target: str,
        body: bytes = b"",
        workspace: str | None = None,
        principal: Principal = NOBODY,
    ) -> CallResponse:
        """Send one request of the gate's own; ``target`` is canonical.

        While the upstream is full it waits among the requests of ``principal``.

        Raises:
            UnresolvableError: the server's version has no such route, or none responds.
        """
        method = "POST" if body else "GET"
        path = target.partition("?")[0].encode("ascii")
        operation = classify(method.encode("ascii"), path)
        dialect = self._upstream.balancer.terms.dialect
        if operation is not None and dialect.version:
            translated = translate(method.encode("ascii"), operation, path, dialect)
            if isinstance(translated, Refusal):
                raise UnresolvableError(translated.message)
        try:
            return await self._upstream.caller.ask(
                method, target, body, workspace=workspace, on_behalf=principal
            )
        except CallError as error:
            raise UnresolvableError(error.detail, error.symptom.reason) from None
