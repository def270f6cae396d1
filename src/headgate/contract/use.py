"""How each of MLflow's APIs is used to see whether it works: a small read that is really one."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from headgate.contract.diagnosis import ARTIFACTS, NoSuchRouteError, Reply, expect, parse
from headgate.model import Api

PROBE_FOLDER = "headgate-health"
"""Where health checks write; nothing of MLflow's lies there, for its folders are numbers."""
NOT_SERVED = b"--no-serve-artifacts"
"""How MLflow says that its clients go to the artifact store themselves (mlflow/server/handlers)."""
UNSERVED = f"not served by this MLflow ({NOT_SERVED.decode('ascii')})"

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
"""What is asked of each API: the way of MLflow's newest version first."""


def is_unserved(reply: Reply) -> bool:
    """Whether MLflow leaves artifacts to its clients, which is no failure."""
    return reply.status == 503 and NOT_SERVED in reply.body


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
    if is_unserved(reply):
        return UNSERVED
    expect(reply, method, target)
    parse(reply, method, target)
    return f"{method} {target.partition('?')[0]} answered {reply.status}"
