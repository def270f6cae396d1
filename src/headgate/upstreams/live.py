"""One upstream while the gate runs: its endpoints are found, watched and balanced over."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace

from headgate.cluster import Cluster
from headgate.config import Limits, Upstream
from headgate.config.files import Files
from headgate.contract import Dialect, table, with_static_prefix
from headgate.dataplane.balancer import Balancer, equal_weight
from headgate.discovery import discovery_for
from headgate.events import Emit, UpstreamVersionFound, discard
from headgate.maintenance import UpstreamMaintenance
from headgate.model import Principal
from headgate.tasks import Tasks
from headgate.upstreams.caller import Caller
from headgate.upstreams.connector import Connector
from headgate.upstreams.creates import UpstreamCreates
from headgate.upstreams.credentials import upstream_credentials
from headgate.upstreams.endpoint_names import EndpointNames
from headgate.upstreams.finder import Finder
from headgate.upstreams.known_answers import KnownAnswers
from headgate.upstreams.policies import cluster_policy, parking_policy, upstream_terms
from headgate.upstreams.probe import Prober
from headgate.upstreams.watcher import Watcher


class LiveUpstream:
    """A named upstream.

    ``balancer`` takes clients' requests, ``caller`` sends the gate's own, and ``finder`` knows
    which endpoints there are; ``answers`` has what MLflow said last of itself.

    Args:
        name: as in the configuration.
        settings: its settings.
        limits: bounds on the heads of responses.
        files: reads certificates and secrets; by default from disk.
        emit: takes the events.
        weigh: the weight of a principal's requests in the queue.

    Raises:
        HeadgateError: a certificate or a secret is not fit, or discovery lacks what it needs.
    """

    def __init__(
        self,
        name: str,
        settings: Upstream,
        limits: Limits,
        files: Files | None = None,
        *,
        emit: Emit = discard,
        weigh: Callable[[Principal], float] = equal_weight,
    ) -> None:
        files = Files() if files is None else files
        self.name = name
        self._emit = emit
        self._settings = settings
        self._limits = limits
        self._tasks = Tasks(emit)
        names = EndpointNames(settings)
        self._connector = Connector(settings, limits, names, files)
        cluster = Cluster(name, cluster_policy(settings), random.Random(), emit)  # noqa: S311
        self.finder = Finder(cluster, discovery_for(settings, emit), names, time.monotonic, emit)
        credentials = upstream_credentials(settings.credentials, files)
        self.balancer = Balancer(
            cluster,
            self._connector.pool,
            terms=upstream_terms(settings, self._dialect(""), credentials),
            clock=time.monotonic,
            names=names.authorities(),
            on_lost=self.finder.refresh_now,
            weigh=weigh,
            maintenance=UpstreamMaintenance(name, emit),
            parking=parking_policy(settings),
        )
        self.caller = Caller(self.balancer)
        self.answers = KnownAnswers(self.balancer.parking.known)
        self._parks = 0
        if settings.creates.reconcile:
            self.balancer.creates = UpstreamCreates(
                self.caller,
                settings.creates.patience,
                across_gates=settings.creates.across_gates,
            )
        base = settings.static_prefix.encode("ascii")
        self._watcher = Watcher(
            cluster,
            Prober(
                base,
                settings.probes.apis,
                self.caller.translate_target,
                time.monotonic,
                self.answers.seen,
            ),
            self.caller,
            timeout=settings.probes.timeout,
            clock=time.monotonic,
            on_lost=self.finder.refresh_now,
            on_version=self._on_version,
            emit=emit,
        )

    def start(self) -> None:
        """Begin to find and to watch endpoints; to be called in the running loop."""
        self.finder.start(self._tasks)
        self._watcher.start(self._tasks)

    def sweep(self) -> None:
        """What is due twice a second."""
        self.balancer.sweep()
        if self.balancer.parking.parks != self._parks:
            self._parks = self.balancer.parking.parks
            self._tasks.start(self.answers.ask(self.caller), f"ask {self.name} what it is")

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
        dial = self._connector.read_dial(files)
        credentials = upstream_credentials(self._settings.credentials, files)

        def use() -> None:
            self._connector.use(dial)
            self.balancer.terms = replace(self.balancer.terms, credentials=credentials)
            self.finder.refresh_now()  # the system's resolver may be configured anew, too

        return use

    def retire(self) -> None:
        """Find and watch no longer; requests under way end as they began."""
        self._tasks.stop()
        self.balancer.retire()

    def close(self) -> None:
        """Close everything."""
        self._tasks.stop()
        self.balancer.close()

    def _on_version(self, version: str) -> None:
        """Speak the dialect of the oldest version there is."""
        if version != self.balancer.terms.dialect.version:
            self._emit(UpstreamVersionFound(self.name, version))
            self.balancer.terms = replace(self.balancer.terms, dialect=self._dialect(version))

    def _dialect(self, version: str) -> Dialect:
        """How a server of that version wants to be spoken to, the newest if it is not known."""
        base = self._settings.static_prefix.encode("ascii")
        if not base:
            return Dialect(version)
        return with_static_prefix(version or table().versions[-1], base)
