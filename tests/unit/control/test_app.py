"""What the gate answers about itself, asked without a network."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.routing import Route

from headgate.auth.tokens.issuer_keys import IssuerStatus
from headgate.config.upstream import OWN_SEGMENTS
from headgate.contract import classify, table
from headgate.control.app import ControlFacts, control_app
from headgate.telemetry.exposition import Exposition
from headgate.telemetry.prometheus import CONTENT_TYPE
from tests.unit.control.stand import cluster

FACTS = ControlFacts(
    stopping=lambda: False,
    draining=lambda: False,
    metrics=lambda _accept: Exposition(CONTENT_TYPE, iter(["one\n", "two\n"])),
    snapshots=lambda: [cluster(well=True)],
    checks=dict,
    version="0",
)


@dataclass
class Response:
    """One response of the application."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


def ask(
    path: str,
    method: str = "GET",
    *,
    draining: bool = False,
    may: str = "",
    facts: ControlFacts = FACTS,
) -> Response:
    """One request to an application whose metrics are two lines."""
    app = control_app(dataclasses.replace(facts, stopping=lambda: draining))
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(b"x-headgate-may", may.encode())] if may else [],
    }
    asyncio.run(app(scope, receive, send))
    head, *rest = sent
    return Response(head["status"], dict(head["headers"]), b"".join(part["body"] for part in rest))


def test_alive() -> None:
    for draining in (False, True):  # a gate that stops is alive until it has stopped
        response = ask("/-/livez", draining=draining)
        assert (response.status, response.body) == (200, b"ok\n")


def test_ready_until_it_drains() -> None:
    assert (ask("/-/readyz").status, ask("/-/readyz").body) == (200, b"ready\n")
    draining = ask("/-/readyz", draining=True)
    assert (draining.status, draining.body) == (503, b"draining\n")
    assert int(draining.headers[b"retry-after"]) > 0


def test_health_is_as_mlflow_says_it_until_the_gate_drains() -> None:
    response = ask("/health")
    assert (response.status, response.body) == (200, b"OK")
    response = ask("/health", draining=True)
    assert (response.status, response.body) == (503, b"draining\n")


def issuer(failing: str | None) -> IssuerStatus:
    return IssuerStatus("ci", "https://idp.example", "https://keys.example", 2, 7.0, failing, ())


@pytest.mark.parametrize(("failing", "status"), [(None, "ok"), ("it is silent", "degraded")])
def test_health_shows_the_issuers_of_tokens(failing: str | None, status: str) -> None:
    """To those who may see it; a failing one leaves the gate degraded, and serving."""
    facts = dataclasses.replace(FACTS, issuers=lambda: [issuer(failing)])
    page = ask("/-/health", may="read", facts=facts)
    assert page.status == 200
    shown = json.loads(page.body)
    assert shown["status"] == status
    assert shown["issuers"] == [dataclasses.asdict(issuer(failing)) | {"unusable": []}]
    assert json.loads(ask("/-/health", facts=facts).body) == {"status": status}


def test_metrics() -> None:
    response = ask("/-/metrics")
    assert (response.status, response.body) == (200, b"one\ntwo\n")
    assert response.headers[b"content-type"] == CONTENT_TYPE.encode()


@pytest.mark.parametrize("path", ["/-/livez", "/-/readyz", "/-/metrics"])
def test_pages_are_only_read(path: str) -> None:
    """The same here and in the contract, which keeps other methods from coming this far."""
    assert ask(path, "HEAD").status == 200
    assert ask(path, "POST").status == 405
    assert classify(b"GET", path.encode()) is not None
    assert classify(b"POST", path.encode()) is None


def test_every_page_of_the_contract_is_served_and_no_other() -> None:
    """The contract says which pages there are; the application has a handler for each."""
    paths = {row.operation.path for row in table().gate_pages}
    assert {route.path for route in control_app(FACTS).routes if isinstance(route, Route)} == paths
    assert {path.split("/")[1] for path in paths} == OWN_SEGMENTS  # which no prefix may begin with


@pytest.mark.parametrize("path", ["/", "/-/", "/-/other", "/livez"])
def test_there_is_nothing_else(path: str) -> None:
    assert ask(path).status == 404
