"""The gate of one worker: what the configuration in force comes to, and its upkeep."""

from __future__ import annotations

import logging
import secrets
import time

from headgate.auth import Authenticate
from headgate.config import Config, Upstream
from headgate.dataplane.dial import Dial, dial_tcp, tls_dial, unix_dial
from headgate.dataplane.plane import Plane
from headgate.dataplane.pool import Pool
from headgate.discovery import static
from headgate.errors import HeadgateError
from headgate.model import Endpoint, Outcome
from headgate.server.pipeline import Pipeline
from headgate.server.reload import Reloader
from headgate.server.tls import ListenerTls, upstream_context
from headgate.telemetry.access_log import AccessLog
from headgate.telemetry.counters import CounterRow

log = logging.getLogger("headgate.server")


class LiveGate:
    """Builds the data plane from a ``Config``, and again from each new one.

    Args:
        config: the configuration to begin with.
        authenticate: answers who sends a request.
        control_path: the unix socket of the control application.
        row: where this worker counts.
        access_log: where requests are written, if anywhere.
        tls: the listener's certificates, if it has any.

    Raises:
        HeadgateError: a certificate file of an upstream is not fit.
    """

    def __init__(
        self,
        config: Config,
        authenticate: Authenticate,
        control_path: str,
        *,
        row: CounterRow,
        access_log: AccessLog | None,
        tls: ListenerTls | None,
    ) -> None:
        self._authenticate = authenticate
        self._row = row
        self._access_log = access_log
        self._tls = tls
        self._reloader: Reloader | None = None
        self._control = self._pool(
            config, Upstream(), Endpoint("control", 0), "headgate", unix_dial(control_path)
        )
        self._retired: list[Pool] = []
        self._pools = self._build_pools(config)
        self.plane = Plane(
            self._pipeline(config),
            config.limits,
            time.monotonic,
            secrets.token_hex(8),
            config.listen.trusted_proxies,
        )

    def follow(self, reloader: Reloader) -> None:
        """Reload through ``reloader`` from now on."""
        self._reloader = reloader

    def apply(self, config: Config) -> None:
        """Decide on new requests as ``config`` says; those under way end as they began.

        Raises:
            HeadgateError: a certificate file is not fit; nothing has changed.
        """
        pools = self._build_pools(config)
        for pool in self._pools.values():
            pool.retire()
            self._retired.append(pool)
        self._pools = pools
        self.plane.configure(self._pipeline(config), config.limits, config.listen.trusted_proxies)

    # --- upkeep, for the worker ------------------------------------------------------------

    def tick(self) -> None:
        """What is due twice a second."""
        self._retired = [pool for pool in self._retired if pool.size]
        for pool in (self._control, *self._pools.values(), *self._retired):
            pool.sweep()
        if self._access_log is not None:
            self._access_log.flush()
        self._set_gauges()
        if self._reloader is not None:
            self._reloader.look()
        if self._tls is not None:
            self._refresh(self._tls)

    def reload(self) -> None:
        """Read the configuration again, where it can be."""
        if self._reloader is not None:
            self._reloader.reload()

    def close(self) -> None:
        """Close every connection to an upstream."""
        for pool in (self._control, *self._pools.values(), *self._retired):
            pool.close()
        self._set_gauges()

    def _set_gauges(self) -> None:
        plane = self.plane
        self._row.set_gauges(
            connections=len(plane.connections),
            in_flight=plane.in_flight,
            draining=plane.draining,
        )

    def _refresh(self, tls: ListenerTls) -> None:
        try:
            if tls.refresh():
                log.info("certificate reloaded")
        except HeadgateError as error:
            log.error("certificate not reloaded: %s", error)

    # --- building --------------------------------------------------------------------------

    def _account(self, outcome: Outcome) -> None:
        self._row.count(outcome)
        if self._access_log is not None:
            self._access_log.write(outcome)

    def _pipeline(self, config: Config) -> Pipeline:
        return Pipeline(
            self._authenticate,
            {
                prefix: self._pools[name]
                for name, settings in config.upstreams.items()
                for prefix in settings.prefixes
            },
            self._control,
            config.limits,
            clock=time.time,
            account=self._account,
        )

    def _build_pools(self, config: Config) -> dict[str, Pool]:
        return {name: self._upstream(config, each) for name, each in config.upstreams.items()}

    def _upstream(self, config: Config, settings: Upstream) -> Pool:
        endpoint = static.endpoint_of(settings)
        context = upstream_context(settings)
        dial = dial_tcp if context is None else tls_dial(context, settings.tls.server_name)
        return self._pool(config, settings, endpoint, static.host_header(settings, endpoint), dial)

    def _pool(
        self, config: Config, settings: Upstream, endpoint: Endpoint, host: str, dial: Dial
    ) -> Pool:
        return Pool(
            endpoint,
            settings,
            host_header=host.encode("ascii"),
            authorities=static.authorities_of(endpoint, host),
            head_bytes=config.limits.head_bytes,
            max_fields=config.limits.headers,
            clock=time.monotonic,
            dial=dial,
        )
