"""Opens connections to the endpoints of one upstream, plain or with TLS."""

from __future__ import annotations

import time
from collections.abc import Callable

from headgate.config import Limits, Upstream
from headgate.config.files import Files
from headgate.dataplane.connections.dial import Dial, dial_tcp, tls_dial
from headgate.dataplane.connections.pool import Pool
from headgate.dataplane.connections.upstream import UpstreamConnection
from headgate.model import Endpoint
from headgate.upstreams.endpoint_names import EndpointNames, authorities_of
from headgate.upstreams.tls import upstream_context


class Connector:
    """Makes a pool for each endpoint; all of them open connections in the same way.

    Args:
        settings: those of the upstream.
        limits: bounds on the heads of responses.
        names: of the endpoints.
        files: reads certificates.

    Raises:
        HeadgateError: a certificate is not fit.
    """

    def __init__(
        self, settings: Upstream, limits: Limits, names: EndpointNames, files: Files
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._names = names
        self._dial = self.read_dial(files)

    def read_dial(self, files: Files) -> Dial:
        """How connections are opened with the certificates that the files hold now.

        Raises:
            HeadgateError: one is not fit.
        """
        context = upstream_context(self._settings, files)
        return dial_tcp if context is None else tls_dial(context, self._names.tls_name)

    def use(self, dial: Dial) -> None:
        """Open new connections in this way, those of pools that exist too."""
        self._dial = dial

    def pool(self, endpoint: Endpoint) -> Pool:
        """A new pool for an endpoint."""
        host = self._names.host_header(endpoint)
        return Pool(
            endpoint,
            self._settings,
            host_header=host.encode("ascii"),
            authorities=authorities_of(endpoint, host),
            head_bytes=self._limits.head_bytes,
            max_fields=self._limits.headers,
            clock=time.monotonic,
            dial=self._connect,
        )

    async def _connect(
        self, endpoint: Endpoint, make: Callable[[], UpstreamConnection]
    ) -> UpstreamConnection:
        return await self._dial(endpoint, make)
