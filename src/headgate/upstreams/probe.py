"""One probe of one endpoint: whether it is healthy and the chosen APIs work, and its version."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterable
from typing import Protocol

from headgate.cluster import ProbeResult
from headgate.contract.diagnosis import AskError, health_failure, is_page
from headgate.contract.responses import is_host_refusal
from headgate.contract.snapshots import numbers
from headgate.contract.use import use
from headgate.dataplane.call import CallError, CallResponse
from headgate.model import Api, Endpoint
from headgate.symptoms import ResponseFailure, Symptom
from headgate.upstreams.known_answers import SERVER_INFO, VERSION

LOOK_AGAIN_SECONDS = 10.0
"""How long a server that stays healthy is taken to have the same version and to accept the Host."""
REMEMBERED = 1024
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
        translate: a method and a canonical target as the server wants it.
        clock: seconds from an arbitrary start.
        seen: takes what MLflow says of itself, by the path that was asked for.
    """

    def __init__(
        self,
        base: bytes,
        apis: Iterable[Api],
        translate: Callable[[bytes, bytes], bytes],
        clock: Callable[[], float],
        seen: Callable[[bytes, CallResponse], None] = lambda _path, _response: None,
    ) -> None:
        self._base = base
        self._on_seen = seen
        self._apis = tuple(apis)
        self._translate = translate
        self._clock = clock
        self._seen: dict[Endpoint, float] = {}

    async def probe(self, endpoint: Endpoint, ask: AskEndpoint) -> ProbeResult:
        """Probe one; what stays while it is healthy is looked at every ``LOOK_AGAIN_SECONDS``."""
        now = self._clock()
        whole = now - self._seen.get(endpoint, -math.inf) >= LOOK_AGAIN_SECONDS
        result = await _probe(
            ask, self._base, self._apis, self._translate, self._clock, self._on_seen, whole=whole
        )
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
    translate: Callable[[bytes, bytes], bytes],
    clock: Callable[[], float],
    seen: Callable[[bytes, CallResponse], None],
    *,
    whole: bool,
) -> ProbeResult:
    """Probe an endpoint; ``whole``: its version and its Host check as well."""
    started = clock()
    version = None
    symptom: Symptom | None
    try:
        response = await ask(base + b"/health")
        reason, symptom = _about_health(response), health_failure(response)
    except CallError as error:
        reason, symptom = f"GET /health: {error.detail}", error.symptom
    latency = clock() - started
    if symptom is not None:
        return ProbeResult(False, latency, reason, symptom=symptom)
    if whole:
        with contextlib.suppress(CallError):  # that it is healthy is known already
            said = await ask(base + VERSION)
            version = _version_in(said)
            if version is not None:
                seen(VERSION, said)
            # It needs no database and no login, but passes the Host check, unlike /health.
            info = await ask(translate(b"GET", SERVER_INFO))
            seen(SERVER_INFO, info)
            if info.status == 403 and is_host_refusal(info.body):
                refused = ResponseFailure.HOST_REFUSED
                return ProbeResult(False, latency, _HOST_REFUSED, version, symptom=refused)

    async def ask_api(method: str, target: str, body: bytes) -> CallResponse:
        how = method.encode("ascii")
        try:
            return await ask(translate(how, target.encode("ascii")), method=how, body=body)
        except CallError as error:
            raise AskError(error.detail, error.symptom) from None

    async def used(api: Api) -> tuple[str, Symptom | None]:
        try:
            return await use(api, ask_api), None
        except AskError as error:
            return str(error), error.symptom

    chosen = tuple(apis)
    found = dict(zip(chosen, await asyncio.gather(*map(used, chosen)), strict=True))
    broken = [f"{api}: {seen}" for api, (seen, failed) in found.items() if failed is not None]
    return ProbeResult(
        not broken,
        latency,
        "; ".join(broken) or reason,
        version,
        {api: seen for api, (seen, _) in found.items()},
        next((failed for _, failed in found.values() if failed is not None), None),
    )


def _about_health(response: CallResponse) -> str:
    """What came for ``GET /health``, for a person."""
    if is_page(response):
        return f"GET /health responded with a web page ({response.status}): is that MLflow?"
    return f"GET /health responded {response.status}"


def _version_in(response: CallResponse) -> str | None:
    """The version in a response to ``GET /version``, if it is one."""
    text = response.body[:32].decode("ascii", "replace").strip()
    return text if response.status == 200 and numbers(text) else None
