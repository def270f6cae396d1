"""Which responder a create gets: one that remembers it, of this gate or of all that share it."""

from __future__ import annotations

from headgate.dataplane.creates import MAX_CREATE_BYTES
from headgate.dataplane.decisions import Forward
from headgate.dataplane.plane import DataPlane
from headgate.dataplane.ports import ClientSide, ExchangeSide
from headgate.dataplane.request_body import RequestBody
from headgate.dataplane.responders.create import CreateResponder
from headgate.dataplane.responders.shared_create import SharedCreateResponder


def create_responder(
    exchange: ExchangeSide,
    plane: DataPlane,
    client: ClientSide,
    decision: Forward,
    body: RequestBody | None,
) -> CreateResponder | None:
    """The responder that remembers a create; ``None``: it is forwarded as any other request."""
    table, finder = plane.creates, decision.route.balancer.creates
    if body is None or finder is None or table is None or decision.scan is not None:
        return None
    if body.known_length > min(MAX_CREATE_BYTES, plane.limits.buffered_body_bytes):
        return None
    shared = plane.shared_creates if finder.across_gates else None
    if shared is None:
        return CreateResponder(exchange, plane, client, decision, body, table, finder)
    return SharedCreateResponder(exchange, plane, client, decision, body, table, finder, shared)
