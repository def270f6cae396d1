"""The endpoints about maintenance: parking an upstream, making it read-only, and who follows."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from headgate.control.api import maintenance_schema as schema
from headgate.control.api.maintenance_views import gate_shown, upstream_shown
from headgate.control.api.sender import Sender
from headgate.control.api.store_thread import StoreThread, StoreUnavailableError
from headgate.control.api.values import Model
from headgate.errors import HeadgateError
from headgate.events import Asked, Event, GateRemoved, LeaseRenewed, MaintenanceAsked
from headgate.identity import Conflict, IdentityError, Invalid, NotFound
from headgate.maintenance import Directive, Park, ReadOnly, changes
from headgate.maintenance.changes import Asking, OpposedError, UnfitError
from headgate.stores.maintenance import MaintenanceStore, OlderSchemaError, RevisionChangedError

ATTEMPTS: Final = 3
"""How often a change is tried while others change the same directive."""


@dataclass(frozen=True, slots=True)
class MaintenanceFacts:
    """What the endpoints work with.

    Attributes:
        store: of directives and gates, in a thread of its own.
        gate_id: of this gate.
        upstreams: the names of those that are configured now.
        took: lets the processes of this gate have a directive that was just made; called in the
            thread of the store.
        look: lets this process follow it now.
    """

    store: StoreThread[MaintenanceStore] = field(default_factory=lambda: StoreThread(_no_store))
    gate_id: str = ""
    upstreams: Callable[[], Collection[str]] = tuple
    took: Callable[[Directive], None] = lambda _: None
    look: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class MaintenanceCall:
    """One request, in the thread of the store.

    Attributes:
        store: the store.
        facts: what the endpoints work with.
        sender: who asks.
        target: the upstream or gate in the path; empty if the path has none.
        now: seconds since the epoch.
        note: takes the event of a change, once it was made.
    """

    store: MaintenanceStore
    facts: MaintenanceFacts
    sender: Sender
    target: str
    now: float
    note: Callable[[Event], None]

    def shown(self, directive: Directive) -> schema.Upstream:
        """An upstream as it stands.

        Raises:
            StoreUnavailableError: nobody can say; what was changed before is changed.
        """
        try:
            gates = self.store.gates()
        except HeadgateError as error:
            raise StoreUnavailableError(str(error), untouched=False) from error
        return upstream_shown(directive, gates, self.facts.gate_id, self.now)

    def directive(self) -> Directive:
        """What is asked of the upstream in the path.

        Raises:
            NotFound: there is no such upstream here, and nothing is asked of one.
        """
        found = self.store.directives().get(self.target)
        if found is None and self.target not in self.facts.upstreams():
            names = ", ".join(self.facts.upstreams())
            raise NotFound(f"this gate has no such upstream; it has {names}")
        return found or Directive(self.target)


MaintenanceHandle = Callable[[MaintenanceCall, Any], Model]
"""Does it; the second argument is the body of a write, or ``None``.  Returns the response."""


def maintain(handle: MaintenanceHandle, call: MaintenanceCall, asked: Model | None) -> Model:
    """Do what an endpoint is for; in the thread of the store.

    Raises:
        IdentityError: it cannot be done as asked.
        StoreUnavailableError: the store cannot be used.
    """
    try:
        return handle(call, asked)
    except (OlderSchemaError, OpposedError) as error:
        raise Conflict(str(error)) from None
    except UnfitError as error:
        raise Invalid(str(error)) from None
    except IdentityError:
        raise
    except HeadgateError as error:
        raise StoreUnavailableError(str(error), untouched=True) from error


def _no_store() -> MaintenanceStore:
    raise HeadgateError("there is none")


# --- reading -------------------------------------------------------------------------------


def _list(call: MaintenanceCall, _: None) -> Model:
    found = call.store.directives()
    names = dict.fromkeys((*call.facts.upstreams(), *found))
    upstreams = [call.shown(found.get(name) or Directive(name)) for name in names]
    return schema.UpstreamList(upstreams=upstreams)


def _get(call: MaintenanceCall, _: None) -> Model:
    return call.shown(call.directive())


def _gates(call: MaintenanceCall, _: None) -> Model:
    return schema.GateList(gates=[gate_shown(each, call.now) for each in call.store.gates()])


# --- changing ------------------------------------------------------------------------------


def _change(
    call: MaintenanceCall, change: Callable[[Directive, Asking], Directive | None]
) -> tuple[Directive, Directive]:
    """What was asked before a change, and what is asked now; the same if nothing had to change."""
    for _ in range(ATTEMPTS):
        before = call.directive()
        after = change(before, Asking(call.sender.name, call.now))
        if after is None:
            return before, before
        try:
            call.store.put(after, before.revision)
        except RevisionChangedError:
            continue
        except HeadgateError as error:
            raise StoreUnavailableError(str(error), untouched=False) from error
        call.facts.took(after)
        return before, after
    raise Conflict(f"others change what is asked of upstream {call.target} just now; try again")


def _park(call: MaintenanceCall, asked: schema.ParkRequest) -> Model:
    park = Park(
        secrets.token_hex(8),
        call.sender.name,
        asked.sentence,
        call.now,
        call.now + asked.seconds,
        asked.lease,
        asked.admits or "",
    )
    _, after = _change(call, lambda before, asking: changes.parked(before, park, asking))
    return _told(call, after, Asked.PARK, park)


def _renew(call: MaintenanceCall, asked: schema.RenewRequest) -> Model:
    _, after = _change(
        call,
        lambda before, asking: changes.renewed(
            before, asked.park, asked.seconds, asking, asked.admits
        ),
    )
    ends_at = changes.clock(call.now + asked.seconds)
    sender = call.sender
    call.note(
        LeaseRenewed(after.upstream, asked.park, ends_at, sender.name, sender.id, sender.credential)
    )
    return call.shown(after)


def _unpark(call: MaintenanceCall, asked: schema.UnparkRequest) -> Model:
    before, after = _change(
        call,
        lambda before, asking: changes.unparked(before, asked.park, asking, force=asked.force),
    )
    return _told(call, after, Asked.UNPARK, before.park if after is not before else None)


def _read_only(call: MaintenanceCall, asked: schema.ReadOnlyRequest) -> Model:
    if not asked.on:
        before, after = _change(
            call, lambda before, asking: changes.writable(before, asking, asked.id)
        )
        ended = before.read_only if after is not before else None
        return _told(call, after, Asked.READ_ONLY_OFF, ended)
    read_only = ReadOnly(
        secrets.token_hex(8),
        call.sender.name,
        asked.sentence,
        call.now,
        call.now + asked.seconds,
    )
    _, after = _change(
        call, lambda before, asking: changes.made_read_only(before, read_only, asking)
    )
    return _told(call, after, Asked.READ_ONLY_ON, read_only)


def _told(
    call: MaintenanceCall, directive: Directive, asked: Asked, what: Park | ReadOnly | None
) -> Model:
    """The upstream as it is now; ``what`` was begun or ended, or nothing was changed."""
    if what is not None:
        call.note(
            MaintenanceAsked(
                directive.upstream,
                asked,
                call.sender.name,
                call.sender.id,
                call.sender.credential,
                park=what.id,
                ends_at=changes.clock(what.ends_at),
                is_lease=isinstance(what, Park) and what.lease,
                begun_by=what.by,
                sentence=what.sentence,
            )
        )
    return call.shown(directive)


def _remove(call: MaintenanceCall, _: Model) -> Model:
    found = [each for each in call.store.gates() if each.report.id == call.target]
    if not found or not call.store.leave(call.target):
        raise NotFound("no gate has that id; a list of the gates shows those that there are")
    shown, sender = gate_shown(found[0], call.now), call.sender
    call.note(GateRemoved(shown.name, shown.id, sender.name, sender.id, sender.credential))
    return schema.OneGate(gate=shown)


HANDLES: Final[Mapping[str, MaintenanceHandle]] = MappingProxyType(
    {
        "upstreams/list": _list,
        "upstreams/get": _get,
        "upstreams/park": _park,
        "upstreams/renew": _renew,
        "upstreams/unpark": _unpark,
        "upstreams/read-only": _read_only,
        "gates/list": _gates,
        "gates/remove": _remove,
    }
)
"""What is done for each endpoint, by the name of its operation."""
