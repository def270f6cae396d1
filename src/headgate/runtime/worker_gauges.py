"""What a worker shows of its process, its configuration and its certificates."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Final

from headgate.config import Config
from headgate.dataplane.cuts import Cuts
from headgate.events import HandshakeFailure
from headgate.runtime.certificates import CertificateUse, Validity
from headgate.telemetry.counters import CounterRow
from headgate.telemetry.metrics import (
    CERTIFICATE_EXPIRY,
    CONFIG_HASH,
    CONNECTIONS_CUT,
    RELOAD_SUCCESSFUL,
    RELOAD_TIME,
    TLS_HANDSHAKE_FAILURES,
)
from headgate.telemetry.process_stats import ProcessStats, family_cpu_time

HASH_BYTES: Final = 6
"""As many as a number of Prometheus has without rounding; Alertmanager's hash has as many."""


class WorkerGauges:
    """Writes into the row of a worker.

    Args:
        row: where the worker counts.
        clock: seconds since the epoch.
    """

    def __init__(self, row: CounterRow, clock: Callable[[], float] = time.time) -> None:
        self._row = row
        self._clock = clock
        self._stats = ProcessStats(row, cpu_time=family_cpu_time)

    def loaded(self, config: Config) -> None:
        """A configuration is in force."""
        self._row.set(RELOAD_TIME, self._clock())
        self._row.set(CONFIG_HASH, config_hash(config))

    def update(self, *, fit: bool, certificates: Sequence[Validity]) -> None:
        """Called about twice a second.

        Args:
            fit: whether the configuration that was read last could be put in force.
            certificates: how long those in use are valid.
        """
        self._stats.update()
        self._row.set(RELOAD_SUCCESSFUL, fit)
        now = self._clock()
        for use in CertificateUse:
            ends = [each.ends for each in certificates if each.use is use]
            if ends:
                self._row.set(CERTIFICATE_EXPIRY, min(ends) - now, use)
            else:
                self._row.unset(CERTIFICATE_EXPIRY, use)

    def count_cuts(self, cuts: Cuts) -> None:
        """Count the connections that were cut since the last call."""
        for limit, count in cuts.take().items():
            self._row.add(CONNECTIONS_CUT, limit, amount=count)

    def count_handshake_failure(self, cause: HandshakeFailure) -> None:
        """Count a TLS handshake that failed."""
        self._row.add(TLS_HANDSHAKE_FAILURES, cause)


def config_hash(config: Config) -> int:
    """A number that differs for configurations that differ.

    Secrets stand in files, of which a configuration has the names.
    """
    digest = hashlib.sha256(config.model_dump_json().encode()).digest()
    return int.from_bytes(digest[:HASH_BYTES], "big")
