"""A gate that starts while its store is away holds what comes with tokens, if it was parked."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from pathlib import Path

from tests.support.issued_tokens import GITHUB
from tests.support.issuers import running_issuer
from tests.support.parked_gates import (
    PATIENCE,
    parked,
    released,
    requests_under_way,
    upstream_of,
)
from tests.support.postgres import postgres_server
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.two_gates import READ, call, called, gate_on, shared_store, stopped
from tests.support.waiting import seconds_until

RULES = json.dumps([{"when": {"repository_id": "74"}, "roles": ["admin"]}])


def test_a_gate_that_starts_without_its_store_stays_parked(tmp_path: Path) -> None:
    with ExitStack() as stack:
        issuer = stack.enter_context(running_issuer(GITHUB.issuer))
        upstream = stack.enter_context(RecordingUpstream(fixed(b"{}")))
        server = stack.enter_context(postgres_server(tmp_path))
        (tmp_path / "store").mkdir()
        store = shared_store(server, tmp_path / "store", "gates", server.url("gates"))
        admin = store.told("keys", "create", "operator", "--role", "admin")
        settings = {
            "HEADGATE_LISTEN__WORKERS": "2",
            "HEADGATE_AUTH__ISSUERS__CI__ISSUER": GITHUB.issuer,
            "HEADGATE_AUTH__ISSUERS__CI__AUDIENCE": GITHUB.audience,
            "HEADGATE_AUTH__ISSUERS__CI__DISCOVERY_URL": issuer.discovery_url,
            "HEADGATE_AUTH__ISSUERS__CI__RULES": RULES,
        }

        def token() -> str:
            return GITHUB.token(issuer, time.time())

        def reads() -> int:
            return sum(READ.encode() in each.request_line for each in upstream.requests)

        with gate_on(store, tmp_path / "gate", upstream.url, **settings) as before:
            parked(before, admin, seconds=600, sentence="tea")
        with stopped(server):
            after = stack.enter_context(gate_on(store, tmp_path / "gate", upstream.url, **settings))
            assert after.event("maintenance_recalled")["upstreams"] == ["default"]
            after.event("issuer_keys_changed", 2)
            held = stack.enter_context(requests_under_way(after, token(), 8))
            shown = json.loads(after.ask("GET", "/-/health", key=token()).body)
            assert "parked" in json.dumps(shown)
            assert reads() == 0
        # The store is back, and with it the operator's key.
        after.event("maintenance_followed")
        seconds_until(
            lambda: call(after, admin, "GET", "/upstreams/default").status == 200, PATIENCE
        )
        assert upstream_of(after, admin)["park"]["sentence"] == "tea"
        assert not any(each.done() for each in held)
        called(after, admin, "POST", "/upstreams/default/unpark", {})
        assert [each.result(PATIENCE).status for each in held] == [200] * 8
        released(after, admin)
        assert not list((tmp_path / "gate" / "data").glob("maintenance-*"))
