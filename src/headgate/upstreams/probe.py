"""One probe of one endpoint: whether it is well and the chosen APIs work, and its version."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterable
from typing import Protocol

from headgate.cluster import ProbeResult
from headgate.contract.diagnosis import AskError, is_page
from headgate.contract.responses import is_host_refusal
from headgate.contract.snapshots import numbers
from headgate.contract.use import use
from headgate.dataplane.call import CallError, CallResponse
from headgate.model import Api, Endpoint
from headgate.upstreams.remedies import ask_error

LOOK_AGAIN_SECONDS = 10.0
"""How long a server that stays well is taken to be of the same version and to accept the Host."""
REMEMBERED = 1024
SERVER_INFO = b"/api/3.0/mlflow/server-info"
"""Needs no database and no login, but passes the Host check, from which /health is exempt."""
_HOST_REFUSED = "MLflow's Host check refuses the gate: `headgate doctor` shows what it sends"


class AskEndpoint(Protocol):
    """Asks the endpoint."""

    async def __call__(
        self, target: bytes, *, method: bytes = b"GET", body: bytes = b""
    ) -> CallResponse:
        """Its response; ``target`` is as the server wants it.

        Raises:
            CallError: it gives none in time.
        """


class Prober:
    """Probes the endpoints of one upstream.

    Args:
        base: the path that MLflow runs under.
        apis: those that must work there.
        spoken: a method and a canonical target as the server wants it.
        clock: seconds from an arbitrary start.
    """

    def __init__(
        self,
        base: bytes,
        apis: Iterable[Api],
        spoken: Callable[[bytes, bytes], bytes],
        clock: Callable[[], float],
    ) -> None:
        self._base = base
        self._apis = tuple(apis)
        self._spoken = spoken
        self._clock = clock
        self._seen: dict[Endpoint, float] = {}

    async def probe(self, endpoint: Endpoint, ask: AskEndpoint) -> ProbeResult:
        """Probe one; what does not change while it is well is looked at now and then only."""
        now = self._clock()
        whole = now - self._seen.get(endpoint, -math.inf) >= LOOK_AGAIN_SECONDS
        result = await _probe(ask, self._base, self._apis, self._spoken, self._clock, whole=whole)
        if not result.ok:
            self._seen.pop(endpoint, None)
        elif result.version is not None:
            if len(self._seen) >= REMEMBERED:
                self._seen.clear()
            self._seen[endpoint] = now
        return result


async def _probe(
    ask: AskEndpoint,
    base: bytes,
    apis: Iterable[Api],
    spoken: Callable[[bytes, bytes], bytes],
    clock: Callable[[], float],
    *,
    whole: bool,
) -> ProbeResult:
    """Probe an endpoint; ``whole``: its version and its Host check as well."""
    started = clock()
    version = None
    try:
        ok, reason = _is_well(await ask(base + b"/health"))
    except CallError as error:
        ok, reason = False, f"GET /health: {error.detail}"
    latency = clock() - started
    if not ok:
        return ProbeResult(ok, latency, reason)
    if whole:
        with contextlib.suppress(CallError):  # that it is well is known already
            version = _version_in(await ask(base + b"/version"))
            info = await ask(spoken(b"GET", SERVER_INFO))
            if info.status == 403 and is_host_refusal(info.body):
                return ProbeResult(False, latency, _HOST_REFUSED, version)

    async def ask_api(method: str, target: str, body: bytes) -> CallResponse:
        how = method.encode("ascii")
        try:
            return await ask(spoken(how, target.encode("ascii")), method=how, body=body)
        except CallError as error:
            raise ask_error(error) from None

    async def used(api: Api) -> tuple[bool, str]:
        try:
            return True, await use(api, ask_api)
        except AskError as error:
            return False, str(error)

    chosen = tuple(apis)
    found = dict(zip(chosen, await asyncio.gather(*map(used, chosen)), strict=True))
    broken = [f"{api}: {seen}" for api, (works, seen) in found.items() if not works]
    return ProbeResult(
        not broken,
        latency,
        "; ".join(broken) or reason,
        version,
        {api: seen for api, (_, seen) in found.items()},
    )


def _is_well(response: CallResponse) -> tuple[bool, str]:
    """Whether that is MLflow's response to ``/health``, and what came, for a person."""
    if is_page(response):
        return False, f"GET /health answered a web page ({response.status}): is that MLflow?"
    return response.status == 200, f"GET /health answered {response.status}"


def _version_in(response: CallResponse) -> str | None:
    """The version that ``/version`` answered, if it is one."""
    text = response.body[:32].decode("ascii", "replace").strip()
    return text if response.status == 200 and numbers(text) else None
