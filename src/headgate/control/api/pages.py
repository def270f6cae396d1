"""The handlers of the admin API, one for each endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.config.auth import KeyRules
from headgate.control.api import about, views
from headgate.control.api.call import Call, Handle, Noted
from headgate.control.api.endpoints import ENDPOINTS, PREFIX, Endpoint
from headgate.control.api.log_levels import LogLevelFacts, LogLevelPages
from headgate.control.api.maintenance import (
    HANDLES,
    MaintenanceCall,
    MaintenanceFacts,
    MaintenanceHandle,
    maintain,
)
from headgate.control.api.openapi import description
from headgate.control.api.reading import BadRequestError, read_body, read_query
from headgate.control.api.refusals import no_keys, refuse, respond, written
from headgate.control.api.schema import Key
from headgate.control.api.sender import SENDER_HEADER, Sender, read_sender
from headgate.control.api.store_thread import StoreBusyError, StoreThread, StoreUnavailableError
from headgate.control.api.values import Model
from headgate.control.api.watched_store import WatchedStore
from headgate.errors import HeadgateError
from headgate.events import Administered, AdministrationFailed, Emit, Event, discard
from headgate.identity import Actor, Administration, IdentityError, NotFound
from headgate.identity.naming import is_id
from headgate.policy import Roles
from headgate.stores.identity import IdentityStore, Transactions
from headgate.stores.maintenance import MaintenanceStore

Page = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class InForce:
    """What the configuration in force says of keys."""

    roles: Roles = field(default_factory=Roles)
    keys: KeyRules = field(default_factory=KeyRules)


@dataclass(frozen=True, slots=True)
class AdminFacts:
    """What the admin API works with.

    Attributes:
        in_force: what the configuration in force says.
        store: the key store, in a thread of its own; ``None``: the gate has none.
        clock: seconds since the epoch.
        emit: takes the events.
        version: of Headgate.
        log_levels: what the endpoints about log levels work with.
        maintenance: what those about maintenance work with.
    """

    in_force: Callable[[], InForce] = InForce
    store: StoreThread[IdentityStore] | None = None
    clock: Callable[[], float] = time.time
    emit: Emit = discard
    version: str = ""
    log_levels: LogLevelFacts = field(default_factory=LogLevelFacts)
    maintenance: MaintenanceFacts = field(default_factory=MaintenanceFacts)


def admin_pages(facts: AdminFacts) -> Mapping[str, Page]:
    """A handler for each endpoint, by the name of its operation."""
    api = _Api(facts)
    levels = LogLevelPages(facts.log_levels, facts.clock, facts.emit)
    pages: dict[str, Page] = {
        "log-levels/list": levels.show,
        "log-levels/set": levels.set,
        "log-levels/reset": levels.reset,
        "description": api.description,
        "me": api.me,
        "roles/list": api.roles,
    }
    for name, handle in HANDLES.items():
        pages[name] = partial(api.maintain, name, ENDPOINTS[name], handle)
    for name, endpoint in ENDPOINTS.items():
        if endpoint.handle is not None:
            pages[name] = partial(api.administer, name, endpoint, endpoint.handle)
    return {PREFIX + name: page for name, page in pages.items()}


class _Api:
    def __init__(self, facts: AdminFacts) -> None:
        self._facts = facts
        self._description: dict[str, Any] | None = None

    async def description(self, request: Request) -> Response:
        """Show the OpenAPI document."""
        try:
            read_query(request, None)
        except BadRequestError as error:
            return refuse(error, writes=False)
        if self._description is None:
            self._description = description(self._facts.version)
        fields = {"X-Headgate-Reason": "ok", "Cache-Control": "no-store"}
        return JSONResponse(self._description, headers=fields)

    async def roles(self, request: Request) -> Response:
        """Show the roles in force."""
        try:
            read_query(request, None)
        except BadRequestError as error:
            return refuse(error, writes=False)
        return respond(written(about.roles_in_force(self._facts.in_force().roles)), 200)

    async def me(self, request: Request) -> Response:
        """Show who asks."""
        try:
            read_query(request, None)
        except BadRequestError as error:
            return refuse(error, writes=False)
        sender = _sender(request)
        return respond(written(about.me(sender, await self._own_key(sender))), 200)

    async def _own_key(self, sender: Sender) -> Key | None:
        """The key of who asks, which they may see whatever they were granted."""
        store = self._facts.store
        if store is None or not sender.has_stored_key:
            return None
        this_gate, rules = Actor.operator("gate"), self._facts.in_force()
        try:
            found = await store.run(
                lambda opened: self._administration(opened, rules).key(this_gate, sender.credential)
            )
        except (StoreUnavailableError, StoreBusyError, HeadgateError):
            return None
        return views.key(found, with_address=True)

    async def administer(
        self, name: str, endpoint: Endpoint, handle: Handle, request: Request
    ) -> Response:
        """Do what an endpoint is for."""
        store, writes = self._facts.store, endpoint.body is not None
        if store is None:
            return no_keys()
        rules, loop = self._facts.in_force(), asyncio.get_running_loop()

        def do(opened: IdentityStore) -> str:
            watched = WatchedStore(opened)
            try:
                call = Call(self._administration(watched, rules), sender, target)
                done = handle(call, asked)
            except IdentityError:
                raise
            except HeadgateError as error:
                raise StoreUnavailableError(str(error), untouched=not watched.committing) from error
            # From here, since nobody may wait for the response any longer.
            with contextlib.suppress(RuntimeError):  # the loop is closed
                for each in done.noted:
                    loop.call_soon_threadsafe(self._facts.emit, _event(sender, each))
            return written(done.response)  # which takes a while for a long list

        try:
            asked, target = await _read(request, endpoint)
            sender = _sender(request)
            body = await store.run(do)
        except (BadRequestError, IdentityError, StoreBusyError) as error:
            return refuse(error, writes=writes)
        except StoreUnavailableError as error:
            self._facts.emit(AdministrationFailed(name, error.detail))
            return refuse(error, writes=writes)
        return respond(body, endpoint.status)

    async def maintain(
        self, name: str, endpoint: Endpoint, handle: MaintenanceHandle, request: Request
    ) -> Response:
        """Do what an endpoint about maintenance is for."""
        facts, writes = self._facts.maintenance, endpoint.body is not None
        loop = asyncio.get_running_loop()

        def note(event: Event) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._facts.emit, event)

        def work(store: MaintenanceStore) -> str:
            call = MaintenanceCall(store, facts, sender, target, self._facts.clock(), note)
            return written(maintain(handle, call, asked))

        try:
            asked = read_query(request, endpoint.query)
            if endpoint.body is not None:
                asked = await read_body(request, endpoint.body, optional=endpoint.body_optional)
            target = "".join(request.path_params.values())
            sender = _sender(request)
            body = await facts.store.run(work)
        except (BadRequestError, IdentityError, StoreBusyError) as error:
            return refuse(error, writes=writes)
        except StoreUnavailableError as error:
            self._facts.emit(AdministrationFailed(name, error.detail))
            return refuse(error, writes=writes)
        if writes:
            facts.look()
        return respond(body, endpoint.status)

    def _administration(self, store: Transactions, rules: InForce) -> Administration:
        return Administration(store, rules.roles, rules.keys, self._facts.clock)


def _event(sender: Sender, noted: Noted) -> Administered:
    return Administered(
        noted.change,
        actor=sender.name,
        actor_id=sender.id,
        credential=sender.credential,
        target=noted.target,
        target_id=noted.target_id,
        detail=noted.detail,
    )


async def _read(request: Request, endpoint: Endpoint) -> tuple[Model | None, str]:
    """What is asked for, and the id in the path.

    Raises:
        BadRequestError: it cannot be read.
        NotFound: what the path has is not an id.
    """
    asked = read_query(request, endpoint.query)
    if endpoint.body is not None:
        asked = await read_body(request, endpoint.body, optional=endpoint.body_optional)
    target = "".join(request.path_params.values())
    if request.path_params and not is_id(target):
        raise NotFound(
            "the path has to name a key or principal by its id (k_… or p_…), which a list with "
            "?name=… shows"
        )
    return asked, target


def _sender(request: Request) -> Sender:
    """Who asks; the data plane says it of every request for these pages."""
    return read_sender(request.headers[SENDER_HEADER])
