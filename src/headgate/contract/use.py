"""How each of MLflow's APIs is used to see whether it works: a small read that is really one."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from headgate.contract.diagnosis import ARTIFACTS, NoSuchRouteError, Reply, expect, is_page, parse
from headgate.model import Api

PROBE_FOLDER = "headgate-health"
"""Where health checks write; nothing of MLflow's lies there, for its folders are numbers."""
SWITCHES = (b"--no-serve-artifacts", b"--artifacts-only")
"""What MLflow names when it runs without an API: its clients go to the artifact store
themselves, or to another server for everything else (mlflow/server/handlers)."""

Ask = Callable[[str, str, bytes], Awaitable[Reply]]
"""Sends a request (method, path and query, JSON body) to MLflow.  Raises ``AskError``."""

_SEARCH_TRACES = {
    "locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}],
    "max_results": 1,
}
_READS: dict[Api, tuple[tuple[str, str, bytes], ...]] = {
    Api.EXPERIMENTS: (("POST", "/api/2.0/mlflow/experiments/search", b'{"max_results": 1}'),),
    Api.MODELS: (("GET", "/api/2.0/mlflow/registered-models/search?max_results=1", b""),),
    Api.ARTIFACTS: (("GET", f"{ARTIFACTS}?path={PROBE_FOLDER}", b""),),
    Api.TRACES: (
        ("POST", "/api/3.0/mlflow/traces/search", json.dumps(_SEARCH_TRACES).encode("ascii")),
        ("GET", "/api/2.0/mlflow/traces?experiment_ids=0&max_results=1", b""),
    ),
}
"""The requests that use each API, that of MLflow's newest version first."""


def unserved(reply: Reply) -> str:
    """That MLflow runs without this API, which is no failure; empty if it does not."""
    if reply.status != 503 or is_page(reply):
        return ""
    switch = next((each for each in SWITCHES if each in reply.body), b"")
    return f"not served by this MLflow ({switch.decode('ascii')})" if switch else ""


async def use(api: Api, ask: Ask) -> str:
    """Use an API once; what was seen.

    Raises:
        AskError: it does not work.
    """
    *newer, oldest = _READS[api]
    for read in newer:
        try:
            return await _read(ask, *read)
        except NoSuchRouteError:
            continue
    return await _read(ask, *oldest)


async def _read(ask: Ask, method: str, target: str, body: bytes) -> str:
    reply = await ask(method, target, body)
    if left_out := unserved(reply):
        return left_out
    expect(reply, method, target)
    parse(reply, method, target)
    return f"{method} {target.partition('?')[0]} responded {reply.status}"
