"""What a worker shows of its configuration, its certificates and what it has cut."""

from __future__ import annotations

import pytest

from headgate.config import Config, Limits, load
from headgate.dataplane.cuts import Cuts
from headgate.events import CutLimit
from headgate.runtime.certificates import CertificateUse, Validity
from headgate.runtime.worker_gauges import WorkerGauges, config_hash
from headgate.telemetry.counters import Counters
from headgate.telemetry.metrics import (
    CERTIFICATE_EXPIRY,
    CONFIG_HASH,
    CONNECTIONS_CUT,
    RELOAD_SUCCESSFUL,
    RELOAD_TIME,
)
from headgate.testing.clock import ManualClock


def test_the_configuration_in_force() -> None:
    counters, clock = Counters(2), ManualClock()
    clock.advance(1000)
    start = clock()
    first, second = (WorkerGauges(counters.row(number), clock) for number in range(2))
    for each in (first, second):
        each.loaded(Config())
        each.update(fit=True, certificates=())
    clock.advance(10)
    second.loaded(Config(limits=Limits(headers=50)))
    totals = counters.totals()
    assert totals.value(RELOAD_TIME) == pytest.approx(start, abs=1)  # of the one that lags behind
    assert totals.value(RELOAD_SUCCESSFUL) == 1
    first.update(fit=False, certificates=())
    assert counters.totals().value(RELOAD_SUCCESSFUL) == 0


def test_the_hash_is_that_of_the_settings() -> None:
    assert config_hash(Config()) == config_hash(load(None, {}))
    assert config_hash(Config()) != config_hash(load(None, {"HEADGATE_LISTEN__PORT": "1"}))
    assert 0 < config_hash(Config()) < 2**53  # a number of Prometheus has it exactly
    row = Counters(1).row(0)
    WorkerGauges(row).loaded(Config())
    assert row.value(CONFIG_HASH) == config_hash(Config())


def test_certificates_by_use_the_first_that_ends_and_negative_afterwards() -> None:
    counters, clock = Counters(1), ManualClock()
    gauges = WorkerGauges(counters.row(0), clock)
    now = clock()
    own, upstream = CertificateUse.LISTENER, CertificateUse.UPSTREAM
    found = [
        Validity(own, "a", "/a", now + 500),
        Validity(upstream, "b", "/b", now + 900),
        Validity(upstream, "c", "/c", now - 60),
    ]
    gauges.update(fit=True, certificates=found)
    assert {
        each.labels: each.cells[0] for each in counters.totals().series(CERTIFICATE_EXPIRY)
    } == {
        (own,): 500,
        (upstream,): -60,
    }
    clock.advance(100)
    gauges.update(fit=True, certificates=found[:1])
    assert {
        each.labels: each.cells[0] for each in counters.totals().series(CERTIFICATE_EXPIRY)
    } == {(own,): 400}


def test_every_use_of_a_certificate_is_a_value_of_the_label() -> None:
    assert CERTIFICATE_EXPIRY.labels[0].values == tuple(CertificateUse)


def test_cuts_are_counted_once() -> None:
    counters, cuts = Counters(1), Cuts()
    gauges = WorkerGauges(counters.row(0))
    for limit in CutLimit:
        cuts.add(limit)
    cuts.add(CutLimit.BODY_TIMEOUT)
    gauges.count_cuts(cuts)
    gauges.count_cuts(cuts)
    totals = counters.totals()
    assert {each: totals.value(CONNECTIONS_CUT, each) for each in CutLimit} == dict.fromkeys(
        CutLimit, 1
    ) | {CutLimit.BODY_TIMEOUT: 2}
