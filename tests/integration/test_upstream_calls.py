"""What the gate itself asks of an upstream, where endpoints fail or are not MLflow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.cluster import Found
from headgate.config import Limits, Upstream
from headgate.dataplane.call import CallError
from headgate.model import Endpoint
from headgate.testing.fault_proxy import Fault, FaultProxy
from headgate.upstreams.live import LiveUpstream
from tests.support.gate import running_gate
from tests.support.keys import make_key
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed, raw, response_bytes, routed

SECONDS = 20.0


@pytest.fixture
def well() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(fixed()) as upstream:
        yield upstream


@pytest.fixture
def broken(well: RecordingUpstream) -> Iterator[FaultProxy]:
    with FaultProxy("127.0.0.1", 0, (well.host, well.port)) as proxy:
        yield proxy


def live(*urls: str, **more: object) -> LiveUpstream:
    """An upstream whose endpoints are known and not probed."""
    settings = {"url": ",".join(urls), "probes": {"interval": 0}, **more}
    return LiveUpstream("default", Upstream.model_validate(settings), Limits())


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.RESET, Fault.HALF_CLOSE])
def test_another_endpoint_is_asked_where_one_gives_no_response(
    fault: Fault, well: RecordingUpstream, broken: FaultProxy
) -> None:
    broken.set(fault)

    async def story() -> set[int]:
        upstream = live(well.url, f"http://127.0.0.1:{broken.port}")
        upstream.start()
        await upstream.finder.known()
        try:
            return {(await upstream.caller.ask("GET", "/version")).status for _ in range(12)}
        finally:
            upstream.close()

    assert asyncio.run(story()) == {200}


def test_without_another_one_the_failure_is_reported(broken: FaultProxy) -> None:
    broken.set(Fault.REFUSE)

    async def story() -> tuple[str, int]:
        upstream = live(f"http://127.0.0.1:{broken.port}")
        upstream.start()
        await upstream.finder.known()
        try:
            with pytest.raises(CallError) as caught:
                await upstream.caller.ask("GET", "/version")
            return caught.value.detail, upstream.balancer.snapshot().in_flight
        finally:
            upstream.close()

    detail, in_flight = asyncio.run(story())
    assert detail.startswith(f"127.0.0.1:{broken.port}: ")
    assert in_flight == 0


def test_a_web_page_is_no_mlflow() -> None:
    """Something else may listen at the address, and answer 200 to everything."""

    async def story(upstream: LiveUpstream) -> tuple[str, str]:
        upstream.start()
        try:
            async with asyncio.timeout(SECONDS):
                while True:
                    (endpoint,) = upstream.balancer.snapshot().endpoints or (None,)
                    if endpoint is not None and endpoint.probe_latency is not None:
                        return endpoint.state, endpoint.reason
                    await asyncio.sleep(0)
        finally:
            upstream.close()

    login = raw(response_bytes(b"<html>Log in", content_type="text/html"))
    with RecordingUpstream(login) as page:
        found = asyncio.run(story(live(page.url, probes={"interval": 5})))
    assert found == ("unhealthy", "GET /health responded with a web page (200): is that MLflow?")


def test_a_server_that_has_left_no_longer_decides_on_the_version() -> None:
    """Or after an upgrade the new routes would stay closed for as long as the old one is known."""

    async def story(old: RecordingUpstream, new: RecordingUpstream) -> list[str]:
        upstream = live(old.url, new.url, probes={"interval": 0.2})
        spoken: list[str] = []
        upstream.start()
        try:
            async with asyncio.timeout(SECONDS):
                for expected in ("2.22.5", "3.17.2"):
                    while upstream.balancer.terms.dialect.version != expected:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)  # nobody tells of it
                    spoken.append(expected)
                    upstream.finder.found(
                        [Found(Endpoint(new.host, new.port))], "configuration", None
                    )
        finally:
            upstream.close()
        return spoken

    def version(text: bytes) -> RecordingUpstream:
        routes = {b"/version": raw(response_bytes(text, content_type="text/plain"))}
        return RecordingUpstream(routed(routes, fixed(b"OK")))

    with version(b"2.22.5") as old, version(b"3.17.2") as new:
        assert asyncio.run(story(old, new)) == ["2.22.5", "3.17.2"]


def test_a_narrowed_key_is_not_refused_because_mlflow_is_away(tmp_path: Path) -> None:
    """Or its client would give up for good, where it should come back."""
    experiment = b'{"experiment": {"name": "team-a/one"}}'
    asked = b"/api/2.0/mlflow/experiments/get?experiment_id=1"
    file = tmp_path / "headgate.toml"
    file.write_text('[roles.team]\ngrants = ["*:* on experiment team-a/*"]\n', encoding="utf-8")
    key = make_key(tmp_path / "data", "narrowed", ("team",))
    routes = {asked: fixed(experiment)}
    with (
        RecordingUpstream(routed(routes, fixed())) as upstream,
        FaultProxy("127.0.0.1", 0, (upstream.host, upstream.port)) as proxy,
        running_gate(
            tmp_path, f"http://127.0.0.1:{proxy.port}", {"HEADGATE_CONFIG": str(file)}
        ) as gate,
    ):
        proxy.set(Fault.REFUSE)
        response = gate.ask("GET", asked.decode(), key=key)
        assert (response.status, response.get("X-Headgate-Reason")) == (503, "upstream_connect")
        assert response.get("Retry-After") == "2"
        assert (
            "could not look up in MLflow what this request names"
            in json.loads(response.body)["message"]
        )
        proxy.set()
        routes[asked] = fixed(b"{}", status=500)
        response = gate.ask("GET", asked.decode(), key=key)
        assert (response.status, response.get("X-Headgate-Reason")) == (502, "upstream_error")
        routes[asked] = fixed(experiment)
        assert gate.ask("GET", asked.decode(), key=key).status == 200
