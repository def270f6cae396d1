"""The admin API with a store in memory, asked without a network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx
from starlette.applications import Starlette

from headgate.config.auth import KeyRules
from headgate.control.api import AdminFacts, InForce, MaintenanceFacts, StoreThread
from headgate.control.app import ControlFacts, control_app
from headgate.dataplane.terms import PrincipalLines
from headgate.errors import HeadgateError
from headgate.events import Event
from headgate.identity import Actor, Administration, NewKey, NewPrincipal
from headgate.maintenance import Directive
from headgate.model import AuthMethod, Principal
from headgate.policy import Roles
from headgate.policy.roles import Role
from headgate.stores.identity import IdentityStore
from headgate.stores.maintenance import MaintenanceStore
from headgate.telemetry.exposition import Exposition
from headgate.testing.key_store import MemoryIdentityStore
from headgate.testing.maintenance_store import MemoryMaintenanceStore

NOW = 1_800_000_000.0
OWN_GATE = "g_00000001"
OWN_ROLES = {
    "gatekeeper": Role("", ("administer:gate", "read:gate")),
    "registrar": Role("", ("administer:gate", "read:gate"), includes=("viewer",)),
}
ROLES = Roles(OWN_ROLES)


class Reply(NamedTuple):
    """What the API responded."""

    status: int
    body: Any
    headers: Mapping[str, str]
    content: bytes

    @property
    def reason(self) -> str:
        return self.headers["x-headgate-reason"]


def sender(
    *roles: str, name: str = "alice", id_: str = "p_alice001", key: str = "k_alice001"
) -> Principal:
    """Somebody with these roles."""
    grants = ROLES.grants_for(name, roles)
    return Principal(id_, name, AuthMethod.KEY, grants=grants, credential=key)


ADMIN = sender("admin", name="root", id_="p_root0001", key="k_root0001")
VIEWER = sender("viewer", name="victor", id_="p_victor01", key="k_victor01")
GATEKEEPER = sender("gatekeeper", name="greta", id_="p_greta001", key="k_greta001")


def header_lines(principal: Principal) -> dict[str, str]:
    """What the data plane says of who asks."""
    lines = PrincipalLines("gate").lines({}, principal).decode("ascii").splitlines()
    return dict(line.split(": ", 1) for line in lines)


@dataclass
class Stand:
    """One worker's admin API.

    Attributes:
        store: what is in the key store.
        events: what was emitted.
        broken: what opening the store raises.
        maintenance: the directives and gates.
        took: what the gate's processes were to follow.
    """

    store: MemoryIdentityStore = field(default_factory=MemoryIdentityStore)
    events: list[Event] = field(default_factory=list)
    rules: KeyRules = field(default_factory=KeyRules)
    broken: HeadgateError | None = None
    now: float = NOW
    timeout: float = 10.0
    maintenance: MemoryMaintenanceStore = field(default_factory=MemoryMaintenanceStore)
    took: list[Directive] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.thread: StoreThread[IdentityStore] = StoreThread(self._open, self.timeout)
        self.directives: StoreThread[MaintenanceStore] = StoreThread(self._open_directives)
        self.facts = AdminFacts(
            in_force=lambda: InForce(ROLES, self.rules),
            store=self.thread,
            clock=lambda: self.now,
            emit=self.events.append,
            version="1.2.3",
            maintenance=MaintenanceFacts(
                self.directives, OWN_GATE, lambda: ["default", "batch"], self.took.append
            ),
        )

    def _open_directives(self) -> MaintenanceStore:
        if self.broken is not None:
            raise self.broken
        return self.maintenance

    def _open(self) -> MemoryIdentityStore:
        if self.broken is not None:
            raise self.broken
        return self.store

    @property
    def administration(self) -> Administration:
        """To see what is in the store, without being anybody."""
        return Administration(self.store, ROLES, self.rules, lambda: self.now)

    def principal(self, name: str, *roles: str) -> str:
        """Make one; its id."""
        operator = Actor.operator("test")
        new = NewPrincipal(name, roles=roles or ("writer", "publisher"))
        return self.administration.create_principal(operator, new).id

    def key(self, name: str, *roles: str, principal: str | None = None) -> str:
        """Make one; its id."""
        new = NewKey(name, principal, roles or None)
        return self.administration.create_key(Actor.operator("test"), new).key.id

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        who: Principal = ADMIN,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request; ``path`` after ``/-/api/v1/``."""
        return self.ask_all([(method, path, body)], who=who, raw=raw, headers=headers)[0]

    def app(self) -> Starlette:
        """The gate's own pages."""
        facts = ControlFacts(
            stopping=lambda: False,
            draining=lambda: False,
            metrics=lambda _accept: Exposition("text/plain", iter(())),
            snapshots=list,
            checks=dict,
            version="0",
            admin=self.facts,
        )
        return control_app(facts)

    def ask_all(
        self,
        requests: Sequence[tuple[str, str, object]],
        *,
        who: Principal = ADMIN,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> list[Reply]:
        """Several requests at the same time."""
        app = self.app()

        async def ask(client: httpx.AsyncClient, request: tuple[str, str, object]) -> Reply:
            method, path, body = request
            content = raw if body is None else json.dumps(body).encode()
            kind = {} if content is None else {"Content-Type": "application/json"}
            response = await client.request(
                method,
                f"/-/api/v1/{path}",
                content=content,
                headers=header_lines(who) | kind | dict(headers or {}),
            )
            return Reply(
                response.status_code,
                json.loads(response.content) if response.content else None,
                response.headers,
                response.content,
            )

        async def all_() -> list[Reply]:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://gate") as client:
                return await asyncio.gather(*(ask(client, each) for each in requests))

        return asyncio.run(all_())
