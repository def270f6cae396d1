"""The attempts that one request makes: where each goes, whether another follows, and until when."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Final

from headgate.cluster import Result, RetryDecision, decide_retry
from headgate.dataplane.connections.pool import Pool
from headgate.dataplane.decisions import Forward
from headgate.dataplane.plane import DataPlane
from headgate.dataplane.ports import Responder
from headgate.dataplane.request_body import RequestBody
from headgate.events import RequestRetried
from headgate.model import Endpoint

# To look a member up in its class costs as much as ten attributes.
_OK: Final = Result.OK


class Attempts(Responder):
    """What a request has tried, and what it may still try.

    ``_pool`` is the endpoint whose place it holds; ``_limit``, when a request that was repeated
    must have its response; ``_sent``, whether an attempt may have reached MLflow.
    """

    __slots__ = (
        "_arrived",
        "_balancer",
        "_body",
        "_forward",
        "_limit",
        "_plane",
        "_pool",
        "_retrying",
        "_sent",
        "_tried",
    )

    def __init__(
        self, plane: DataPlane, forward: Forward, body: RequestBody | None, arrived: float
    ) -> None:
        super().__init__()
        self._plane = plane
        self._forward = forward
        self._body = body
        self._arrived = arrived
        self._balancer = forward.route.balancer
        self._pool: Pool | None = None
        self._limit = math.inf
        self._retrying = False
        self._sent = False
        self._tried: tuple[Endpoint, ...] = ()

    def _may_wait(self) -> bool:
        """Whether an attempt could still begin after the longest wait for room."""
        latest = self._limit - self._balancer.terms.retry_policy.reserve
        return self._plane.clock() + self._balancer.queue_timeout <= latest

    def _decision(self) -> RetryDecision:
        """Whether the rules allow another attempt."""
        body = self._body
        return decide_retry(
            self._forward.route.operation.retry,
            sent=self._sent,
            answered=self.status != 0,
            repeatable=body is None or body.repeatable,
            attempts=self.attempts,
            elapsed=self._plane.clock() - self._arrived,
            budget=self._balancer.may_retry(),
            policy=self._balancer.terms.retry_policy,
        )

    def _has_other(self) -> bool:
        """Whether an endpoint can be had that this request has not tried."""
        return self._balancer.has_other(self._tried)

    def _begin_again(self, cause: str, request_id: bytes) -> None:
        """Another attempt follows; from here on its time is bounded."""
        self._plane.emit(RequestRetried(request_id.decode("ascii"), cause))
        self._balancer.retry_started()
        self._retrying = True
        self._limit = self._arrived + self._balancer.terms.retry_policy.total

    def _release(self, result: Result, error: str = "") -> None:
        """Give the endpoint's place back; the one way in which an attempt ends."""
        if self._retrying:
            self._retrying = False
            self._balancer.retry_ended()
        if result is not _OK:
            self._forget_response()
        pool, self._pool = self._pool, None
        if pool is not None:
            if result is not _OK and pool.endpoint not in self._tried:
                self._tried += (pool.endpoint,)
            self._balancer.finish(pool, result, error)

    @abstractmethod
    def _forget_response(self) -> None:
        """What was kept of the response of an attempt that failed is worth nothing."""
