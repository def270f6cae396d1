"""Sends MLflow requests of the gate's own: look-ups, health checks and probes."""

from __future__ import annotations

from typing import Final

from headgate.cluster import Result, Unavailable, Why
from headgate.contract import classify, translate
from headgate.dataplane.balancer import Balancer
from headgate.dataplane.call import CallError, CallFailure, CallResponse, call
from headgate.dataplane.connections.pool import Pool
from headgate.errors import Refusal
from headgate.model import NOBODY, Endpoint, Principal
from headgate.upstreams.queued_choice import choose_in_turn

ASK_ATTEMPTS = 3
ASK_SECONDS: Final = 5.0
"""For the whole response of one attempt."""


class Caller:
    """Asks the endpoints of one upstream, in its dialect and with the gate's own credentials.

    Args:
        balancer: chooses endpoints and has the terms.
    """

    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        workspace: str | None = None,
        on_behalf: Principal | None = None,
        credentials: bytes | None = None,
    ) -> CallResponse:
        """Send a request of the gate's own, such as is safe to repeat; return the response.

        Where an endpoint gives none, another one is asked, as clients' requests are retried.

        Args:
            method: of the request.
            target: canonical.
            body: JSON, or empty.
            workspace: the one that MLflow is to look into.
            on_behalf: wait in the queue while every endpoint is full, among the requests of this
                principal; without one there is no waiting.
            credentials: the header lines to show MLflow in place of the gate's own.

        Raises:
            CallError: when no endpoint can be had or none responds.
        """
        translated = self.translate_target(method.encode("ascii"), target.encode("ascii"))
        failed: CallError | None = None
        tried: tuple[Endpoint, ...] = ()
        deadline = self._balancer.parking.deadline()
        while len(tried) < ASK_ATTEMPTS:
            if on_behalf is not None:
                chosen = await choose_in_turn(self._balancer, tried, on_behalf, deadline)
            else:
                chosen = self._balancer.choose(tried)
            if isinstance(chosen, Unavailable):
                raise failed or _unavailable(chosen)
            if chosen.endpoint in tried:  # there is no other
                self._balancer.finish(chosen, Result.CANCELLED)
                break
            tried += (chosen.endpoint,)
            try:
                return await self._ask_at(
                    chosen, method.encode("ascii"), translated, body, workspace, credentials
                )
            except CallError as failure:
                failed = _at(chosen.endpoint, failure)
        assert failed is not None  # noqa: S101 - the first round asks or raises
        raise failed

    async def _ask_at(
        self,
        pool: Pool,
        method: bytes,
        target: bytes,
        body: bytes,
        workspace: str | None,
        credentials: bytes | None,
    ) -> CallResponse:
        result, error = Result.CANCELLED, ""
        lines = self._lines(body, credentials)
        if workspace is not None:
            lines += f"X-MLFLOW-WORKSPACE: {workspace}\r\n".encode("latin-1")
        try:
            response = await call(pool, method, target, body=body, lines=lines, within=ASK_SECONDS)
            result = Result.OK if response.status < 500 else Result.ERROR_STATUS
            error = f"{target.partition(b'?')[0].decode('ascii')} responded {response.status}"
        except CallError as failure:
            result, error = failure.failure.result, failure.detail
            raise
        finally:
            self._balancer.finish(pool, result, error)
        return response

    async def call(
        self,
        endpoint: Endpoint,
        target: bytes,
        *,
        method: bytes = b"GET",
        body: bytes = b"",
        within: float,
    ) -> CallResponse:
        """Ask one endpoint, chosen or not; ``target`` is as the server wants it.

        Raises:
            CallError: when it gives no response within so many seconds.
        """
        pool = self._balancer.pool(endpoint)
        return await call(pool, method, target, body=body, lines=self._lines(body), within=within)

    def _lines(self, body: bytes, credentials: bytes | None = None) -> bytes:
        """The header lines of such a request: without a client, there are none of a client's."""
        lines = credentials
        if lines is None:
            lines = self._balancer.terms.credentials.lines({}, NOBODY)
        return lines + b"Content-Type: application/json\r\n" if body else lines

    def translate_target(self, method: bytes, target: bytes) -> bytes:
        """A target of the gate's own, canonical, as this upstream wants it."""
        path, mark, query = target.partition(b"?")
        operation = classify(method, path)
        dialect = self._balancer.terms.dialect
        if operation is None or not dialect.version:
            return target
        translated = translate(method, operation, path, dialect)
        return target if isinstance(translated, Refusal) else translated.path + mark + query


def _unavailable(why: Unavailable) -> CallError:
    if why.why is Why.FULL:
        return CallError(CallFailure.FULL, why.text)
    if why.why is Why.PARKED:
        return CallError(CallFailure.PARKED, why.text)
    return CallError(CallFailure.NO_ENDPOINT, why.text, why.failure)


def _at(endpoint: Endpoint, error: CallError) -> CallError:
    """The error of one endpoint, which it names."""
    return CallError(error.failure, f"{endpoint}: {error.detail}", error.symptom)
