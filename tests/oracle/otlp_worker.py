"""Says what the OTLP route of an MLflow acts on: JSON lines in, JSON lines out, as ``worker`` does.

It runs by the interpreter that has that MLflow, and imports nothing of Headgate.  Each line in is a
list of requests (``headers``, ``body`` in Latin-1); each line out tells of each:

``status``: of the response; below 400 MLflow has stored the export.
``traces``, ``experiments``, ``runs``: the ids with which the store was asked to write.
``tags``: the names that the attributes of a resource or a root span can give to tags.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import os
import sys
from typing import Any

PREFIX = "mlflow.traceTag."


class Store:
    """Notes what it is to write, and writes nothing."""

    def __init__(self) -> None:
        self.told: dict[str, list[str]] = {
            each: [] for each in ("traces", "experiments", "runs", "tags")
        }

    def log_spans(self, location: str, spans: list[Any], tracking_uri: Any = None) -> list[Any]:
        self.told["experiments"].append(location)
        for span in spans:
            self.told["traces"].append(span.trace_id)
            names = list(span._span.resource.attributes)
            if span.parent_id is None:
                names += [each.removeprefix(PREFIX) for each in span._span.attributes]
            self.told["tags"] += names
        return spans

    async def log_spans_async(self, location: str, spans: list[Any]) -> list[Any]:
        return self.log_spans(location, spans)

    def link_traces_to_run(self, traces: list[str], run: str) -> None:
        self.told["traces"] += traces
        self.told["runs"].append(run)


def main() -> int:
    """Serve until the input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # MLflow's own chatter is no response
    app = _app()
    out.write(json.dumps({"version": importlib.import_module("mlflow").__version__}) + "\n")
    out.flush()
    for line in sys.stdin:
        told = [asyncio.run(_handle(app, request)) for request in json.loads(line)]
        out.write(json.dumps(told) + "\n")
        out.flush()
    return 0


def _app() -> Any:
    """An application with the OTLP route alone; none if this MLflow has no such route."""
    if importlib.util.find_spec("mlflow.server.otel_api") is None:
        return None
    otel = importlib.import_module("mlflow.server.otel_api")
    app = importlib.import_module("fastapi").FastAPI()
    app.include_router(otel.otel_router)
    return app


async def _handle(app: Any, request: dict[str, Any]) -> dict[str, Any]:
    store = Store()
    if app is None:
        return {"status": 404, **store.told}
    otel: Any = importlib.import_module("mlflow.server.otel_api")
    otel._get_tracking_store = lambda: store
    otel._record_event = lambda *_: None
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in request["headers"]
    ]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
    }
    scope |= {"path": "/v1/traces", "raw_path": b"/v1/traces", "root_path": "", "query_string": b""}
    scope |= {"headers": headers, "scheme": "http", "server": ("localhost", 80)}
    status: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": request["body"].encode("latin-1")}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            status.append(message["status"])

    try:
        await app(scope, receive, send)
    except Exception:  # noqa: BLE001  whatever it raises, the client gets 500
        status[:] = [500]
    return {"status": status[0], **store.told}


if __name__ == "__main__":
    sys.exit(main())
