"""Wires the gate's own pages to what they show."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from headgate import __version__
from headgate.auth.keys.refresher import Refresher
from headgate.auth.tokens.tokens import Tokens
from headgate.config import AuthMode, Config
from headgate.contract.diagnosis import AskError, Reply
from headgate.contract.use import Ask
from headgate.control.api import (
    AdminFacts,
    InForce,
    LogLevelFacts,
    MaintenanceFacts,
    StoreThread,
)
from headgate.control.app import ControlFacts, control_app
from headgate.control.checks import Checks
from headgate.control.serving import ControlServer
from headgate.control.shared_results import SharedResults
from headgate.dataplane.call import CallError
from headgate.events import Emit
from headgate.policy import Roles
from headgate.runtime.gate import LiveGate
from headgate.runtime.reload import Reloader
from headgate.stores import open_identity_store
from headgate.stores.identity import IdentityStore
from headgate.telemetry.counters import Counters
from headgate.telemetry.exposition import exposition
from headgate.upstreams.live import LiveUpstream


def control_server(
    gate: LiveGate,
    counters: Counters,
    checks: UpstreamChecks,
    refresher: Refresher | None,
    tokens: Tokens,
    reloader: Reloader | None,
    admin: AdminFacts,
    *,
    stopping: Callable[[], bool],
    worker: int,
    workers: int,
) -> ControlServer:
    """The server of the gate's own pages within one worker."""
    return ControlServer(
        control_app(
            ControlFacts(
                stopping=stopping,
                draining=lambda: gate.plane.draining,
                metrics=lambda accept: exposition(counters, accept),
                snapshots=gate.snapshots,
                checks=checks,
                version=__version__,
                keys=None if refresher is None else refresher.status,
                issuers=tokens.statuses,
                configuration=None if reloader is None else reloader.status,
                certificates=lambda: _shown_certificates(gate),
                worker=worker,
                workers=workers,
                admin=admin,
            )
        )
    )


def admin_facts(
    config: Config,
    gate: LiveGate,
    emit: Emit,
    stack: contextlib.ExitStack,
    log_levels: LogLevelFacts,
    maintenance: MaintenanceFacts,
) -> AdminFacts:
    """What the admin API of one worker works with; ``stack`` closes its key store."""
    store: StoreThread[IdentityStore] | None = None
    if config.auth.mode is AuthMode.KEYS:
        store = StoreThread(lambda: open_identity_store(config, create=False))
        stack.callback(store.close)
    return AdminFacts(
        _KeyRulesInForce(gate), store, time.time, emit, __version__, log_levels, maintenance
    )


class _KeyRulesInForce:
    """What the configuration in force says of keys; the roles are read once for each."""

    def __init__(self, gate: LiveGate) -> None:
        self._gate = gate
        self._config: Config | None = None
        self._found = InForce()

    def __call__(self) -> InForce:
        config = self._gate.config
        if config is not self._config:
            self._found = InForce(Roles(config.roles), config.auth.keys)
            self._config = config
        return self._found


def _shown_certificates(gate: LiveGate) -> list[dict[str, object]]:
    """How long the certificates in force are valid, for the health page."""
    now = time.time()
    return [
        {
            "setting": each.setting,
            "file": each.file,
            "ends": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(each.ends)),
            "days_left": round(each.days_left(now), 1),
        }
        for each in gate.certificates
    ]


class UpstreamChecks:
    """The checks of each upstream in force; one that a reload adds or changes gets new ones."""

    def __init__(self, gate: LiveGate, shared: SharedResults | None) -> None:
        self._gate = gate
        self._shared = shared
        self._made: dict[LiveUpstream, Checks] = {}

    def __call__(self) -> dict[str, Checks]:
        """The checks, by the name of the upstream."""
        before = self._made
        self._made = {each: before.get(each) or self._new(each) for each in self._gate.upstreams}
        return {each.name: checks for each, checks in self._made.items()}

    def _new(self, upstream: LiveUpstream) -> Checks:
        return Checks(asker(upstream), board=self._shared, name=upstream.configured)

    async def settle(self) -> None:
        """Wait until cancelled, and then for the checks that are running."""
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.gather(*(checks.settle() for checks in self._made.values()))


def asker(upstream: LiveUpstream) -> Ask:
    """How the checks of its APIs reach an upstream."""

    async def ask(method: str, target: str, body: bytes) -> Reply:
        try:
            return await upstream.caller.ask(method, target, body)
        except CallError as error:
            raise AskError(error.detail, error.symptom) from None

    return ask
