"""One upstream while the gate runs: its endpoints are found, watched and balanced over."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import logging
import random
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from headgate.cluster import (
    Cluster,
    Found,
    Result,
    State,
    Unavailable,
    Why,
)
from headgate.config import CredentialPolicy, Limits, Upstream
from headgate.config.files import Files
from headgate.contract import Dialect, classify, table, translate, with_static_prefix
from headgate.contract.snapshots import numbers
from headgate.dataplane.balancer import Balancer
from headgate.dataplane.call import CallError, CallFailure, CallResponse, call
from headgate.dataplane.connections.dial import Dial, dial_tcp, tls_dial
from headgate.dataplane.connections.pool import Pool
from headgate.dataplane.connections.upstream import UpstreamConnection
from headgate.discovery import Discovery, discovery_for
from headgate.errors import Refusal
from headgate.model import Endpoint
from headgate.tasks import Tasks
from headgate.telemetry.endpoint_events import tell
from headgate.upstreams.credentials import own_authorization
from headgate.upstreams.policies import cluster_policy, retry_policy
from headgate.upstreams.probe import Prober
from headgate.upstreams.queued_choice import choose_in_turn
from headgate.upstreams.tls import upstream_context

log = logging.getLogger("headgate.cluster")

PROBE_LOOK_SECONDS = 0.2
RESTART_SECONDS = 2.0
"""Before discovery that has failed by a defect is begun again."""
ASK_ATTEMPTS = 3
_RESULTS = {
    CallFailure.CONNECT: Result.CONNECT_FAILED,
    CallFailure.DROPPED: Result.CONNECT_FAILED,
    CallFailure.NO_CONNECTION: Result.CONNECT_FAILED,
    CallFailure.TLS: Result.CONNECT_FAILED,
    CallFailure.RESET: Result.RESET,
    CallFailure.TIMEOUT: Result.TIMEOUT,
    CallFailure.INVALID: Result.ERROR_STATUS,
    CallFailure.TOO_LONG: Result.OK,
}
_WHY = {Why.FULL: CallFailure.FULL}
# MLflow's default Host check lets these through, and no name but localhost
# (mlflow/server/fastapi_security.py).
_ACCEPTED = tuple(
    ipaddress.ip_network(block)
    for block in ("127.0.0.1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "::1")
)


class LiveUpstream:
    """A named upstream.

    Args:
        name: as in the configuration.
        settings: its settings.
        limits: bounds on responses.
        files: reads certificates and secrets; by default from disk.

    Raises:
        HeadgateError: a certificate or a secret is not fit, or discovery lacks what it needs.
    """

    def __init__(
        self, name: str, settings: Upstream, limits: Limits, files: Files | None = None
    ) -> None:
        self.name = name
        self._settings = settings
        self._limits = limits
        self._names: dict[str, dict[Endpoint, str]] = {}
        files = Files() if files is None else files
        self._way = self._new_way(files)
        self._authorization = own_authorization(settings.credentials, files)
        self._discovery = discovery_for(settings)
        self._known = asyncio.Event()
        self._tasks = Tasks()
        self._probed: set[Endpoint] = set()
        self._late: set[Endpoint] = set()
        base = settings.static_prefix.encode("ascii")
        self._prober = Prober(base, settings.probes.apis, self.translate_target, time.monotonic)
        self.balancer = Balancer(
            Cluster(name, cluster_policy(settings), random.Random(), tell),  # noqa: S311
            self._pool,
            clock=time.monotonic,
            silence_timeout=settings.silence_timeout,
            names=_names(settings),
        )

        self.balancer.dialect = self._dialect("")
        self.balancer.retry_policy = retry_policy(settings)
        self.balancer.on_lost = self._look_again
        self._show_credentials()

    def start(self) -> None:
        """Begin to find and to watch endpoints; to be called in the running loop."""
        for each in self._discovery:
            self._tasks.start(self._discover(each), f"discover {self.name}")
        self._tasks.start(self._watch(), f"watch {self.name}")

    def _look_again(self) -> None:
        """All endpoints may have been replaced: discovery may know of new ones already."""
        for each in self._discovery:
            each.hurry()

    def fits(self, settings: Upstream, limits: Limits) -> bool:
        """Whether it is what these settings ask for."""
        bounds = (limits.head_bytes, limits.headers)
        own = (self._limits.head_bytes, self._limits.headers)
        return (settings, bounds) == (self._settings, own)

    @property
    def configured(self) -> str:
        """Its name and its settings in one text: that of another upstream differs."""
        return f"{self.name} {self._settings!r}"

    def renew(self, files: Files) -> Callable[[], None]:
        """Read certificates and secrets again; what is returned lets new requests use them.

        Raises:
            HeadgateError: one is not fit.
        """
        way = self._new_way(files)
        authorization = own_authorization(self._settings.credentials, files)

        def use() -> None:
            self._way, self._authorization = way, authorization
            self._show_credentials()
            self._look_again()  # the system's resolver may be configured anew, too

        return use

    def _show_credentials(self) -> None:
        value = self._authorization
        line = f"Authorization: {value}\r\n".encode("ascii") if value else b""
        passes = self._settings.credentials.policy is CredentialPolicy.PASS
        self.balancer.own_lines = None if passes else line

    async def known(self) -> None:
        """Return once discovery has answered for the first time, whatever it said."""
        await self._known.wait()

    def retire(self) -> None:
        """Find and watch no longer; requests under way end as they began."""
        self._tasks.stop()
        self.balancer.retire()

    def close(self) -> None:
        """Close everything."""
        self._tasks.stop()
        self.balancer.close()

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        workspace: str | None = None,
        patient: bool = False,
    ) -> CallResponse:
        """Send MLflow a request of the gate's own, such as is safe to repeat; return the response.

        Where an endpoint gives none, another one is asked, as clients' requests are sent on.

        Args:
            method: of the request.
            target: canonical.
            body: JSON, or empty.
            workspace: the one that MLflow is to look into.
            patient: wait in the queue while every endpoint is full, as clients' requests do.

        Raises:
            CallError: when no endpoint can be had or none answers.
        """
        spoken = self.translate_target(method.encode("ascii"), target.encode("ascii"))
        failed: CallError | None = None
        tried: tuple[Endpoint, ...] = ()
        while len(tried) < ASK_ATTEMPTS:
            if patient:
                chosen = await choose_in_turn(self.balancer, tried)
            else:
                chosen = self.balancer.choose(tried)
            if isinstance(chosen, Unavailable):
                raise failed or CallError(
                    _WHY.get(chosen.why, CallFailure.NO_ENDPOINT), chosen.text
                )
            if chosen.endpoint in tried:  # there is no other
                self.balancer.finish(chosen, Result.CANCELLED)
                break
            tried += (chosen.endpoint,)
            try:
                return await self._ask_at(chosen, method.encode("ascii"), spoken, body, workspace)
            except CallError as failure:
                failed = _at(chosen.endpoint, failure)
        assert failed is not None  # noqa: S101 - the first round asks or raises
        raise failed

    async def _ask_at(
        self, pool: Pool, method: bytes, target: bytes, body: bytes, workspace: str | None
    ) -> CallResponse:
        result, error = Result.CANCELLED, ""
        fields = self._fields(body)
        if workspace is not None:
            fields["X-MLFLOW-WORKSPACE"] = workspace
        try:
            response = await call(pool, method, target, body=body, fields=fields)
            result = Result.OK if response.status < 500 else Result.ERROR_STATUS
            error = f"{target.partition(b'?')[0].decode('ascii')} answered {response.status}"
        except CallError as failure:
            result, error = _RESULTS[failure.failure], failure.detail
            raise
        finally:
            self.balancer.finish(pool, result, error)
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
            CallError: when it gives no response.
        """
        pool = self.balancer.pool(endpoint)
        fields = self._fields(body)
        return await call(pool, method, target, body=body, fields=fields, within=within)

    def _fields(self, body: bytes) -> dict[str, str]:
        fields = {"Content-Type": "application/json"} if body else {}
        if self._authorization:
            fields["Authorization"] = self._authorization
        return fields

    def translate_target(self, method: bytes, target: bytes) -> bytes:
        """A target of the gate's own, canonical, as this upstream wants it."""
        path, mark, query = target.partition(b"?")
        operation = classify(method, path)
        dialect = self.balancer.dialect
        if operation is None or not dialect.version:
            return target
        spoken = translate(method, operation, path, dialect)
        return target if isinstance(spoken, Refusal) else spoken.path + mark + query

    def _dialect(self, version: str) -> Dialect:
        """How a server of that version wants to be spoken to, the newest if it is not known."""
        base = self._settings.static_prefix.encode("ascii")
        if not base:
            return Dialect(version)
        return with_static_prefix(version or table().versions[-1], base)

    async def _discover(self, adapter: Discovery) -> None:
        while True:
            try:
                await adapter.run(self)
            except Exception:
                # Supervisor: what was found last still counts, and may be found again.
                log.exception("defect in the discovery of %s", self.name)
            await asyncio.sleep(RESTART_SECONDS)

    # --- what discovery says ---------------------------------------------------------------

    def found(self, found: Sequence[Found], source: str, ttl: float | None) -> None:
        """See ``Report``."""
        if found:  # else those that were named last still count, by their names
            self._names[source] = {each.endpoint: each.name for each in found if each.name}
        self.balancer.cluster.discovered(found, source, ttl, time.monotonic())
        self._known.set()

    def failed(self, source: str, error: str) -> None:
        """See ``Report``."""
        self.balancer.cluster.discovery_failed(source, error, time.monotonic())
        self._known.set()

    # --- probes ----------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Probe whoever is due, each by itself: one that hangs holds up no other."""
        while True:
            for endpoint in self.balancer.cluster.due_probes(time.monotonic()):
                if endpoint in self._probed:
                    self._late.add(endpoint)
                else:
                    self._probed.add(endpoint)
                    self._tasks.start(self._probe(endpoint), f"probe {endpoint}")
            await asyncio.sleep(PROBE_LOOK_SECONDS)

    async def _probe(self, endpoint: Endpoint) -> None:
        """Probe one, and at once again if that took so long that the next probe is due."""
        ask = functools.partial(self.call, endpoint, within=self._settings.probes.timeout)
        cluster, is_due = self.balancer.cluster, True
        try:
            while is_due:
                self._late.discard(endpoint)
                result = await self._prober.probe(endpoint, ask)
                now = time.monotonic()
                cluster.probed(endpoint, result, now)
                if not result.ok and cluster.is_lost(now):
                    self._look_again()
                self._note_version()
                is_due = endpoint in self._late
        finally:
            self._probed.discard(endpoint)

    def _note_version(self) -> None:
        """Speak the dialect of the oldest version there is: what it has, the others have too."""
        endpoints = self.balancer.snapshot().endpoints
        present = [each for each in endpoints if each.state != State.DRAINING]
        versions = [each.mlflow_version for each in present if each.mlflow_version]
        oldest = min(versions, key=numbers, default="")
        if oldest and oldest != self.balancer.dialect.version:
            log.info("upstream %s runs MLflow %s", self.name, oldest)
            self.balancer.dialect = self._dialect(oldest)

    # --- building --------------------------------------------------------------------------

    def _name_of(self, endpoint: Endpoint) -> str:
        """The name, perhaps with a port, that led to the endpoint; else the endpoint itself."""
        names = (found[endpoint] for found in self._names.values() if endpoint in found)
        return next(names, str(endpoint))

    def _new_way(self, files: Files) -> Dial:
        context = upstream_context(self._settings, files)
        if context is None:
            return dial_tcp
        fixed = self._settings.tls.server_name

        def name_of(endpoint: Endpoint) -> str:
            return fixed or urlsplit(f"//{self._name_of(endpoint)}").hostname or endpoint.host

        return tls_dial(context, name_of)

    def _pool(self, endpoint: Endpoint) -> Pool:
        host = host_header(self._settings, endpoint, self._name_of(endpoint))
        return Pool(
            endpoint,
            self._settings,
            host_header=host.encode("ascii"),
            authorities=authorities_of(endpoint, host),
            head_bytes=self._limits.head_bytes,
            max_fields=self._limits.headers,
            clock=time.monotonic,
            dial=self._dial,
        )

    async def _dial(
        self, endpoint: Endpoint, make: Callable[[], UpstreamConnection]
    ) -> UpstreamConnection:
        return await self._way(endpoint, make)


def host_header(settings: Upstream, endpoint: Endpoint, name: str) -> str:
    """The ``Host`` to send to an endpoint, as ``host_header`` in the settings chooses it.

    ``name`` is what led to the endpoint.
    """
    choice = settings.host_header
    if choice not in ("auto", "name", "address"):
        return choice
    if choice == "name":
        return name
    address = ipaddress.ip_address(endpoint.host)
    accepted = any(address in network for network in _ACCEPTED)
    return str(endpoint) if accepted or choice == "address" else name


def authorities_of(endpoint: Endpoint, host: str) -> frozenset[str]:
    """The names (``host:port``, lower case) under which an endpoint is known inside.

    ``host`` is the ``Host`` it is sent, from which MLflow makes its absolute URLs.
    """
    names = {str(endpoint).lower(), *_with_port(host.lower())}
    if endpoint.host in ("127.0.0.1", "::1"):
        names |= {f"{name}:{endpoint.port}" for name in ("localhost", "127.0.0.1", "[::1]")}
    return frozenset(names)


def _at(endpoint: Endpoint, error: CallError) -> CallError:
    """The error of one endpoint, which it names."""
    if error.detail.startswith(f"{endpoint}"):
        return error
    return CallError(error.failure, f"{endpoint}: {error.detail}")


def _names(settings: Upstream) -> frozenset[str]:
    return frozenset(
        name for url in settings.urls for name in _with_port(urlsplit(url).netloc.lower())
    )


def _with_port(authority: str) -> list[str]:
    has_port = ":" in authority.rpartition("]")[2]
    return [authority] if has_port else [f"{authority}:80", f"{authority}:443"]
