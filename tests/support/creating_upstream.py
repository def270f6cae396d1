"""A stand-in for MLflow that creates runs and logged models, and stops where a test says."""

from __future__ import annotations

import json
import re
import threading
import uuid
from typing import Any

from tests.support.recording_upstream import Exchange, RecordingUpstream
from tests.support.scripts import response_bytes

Message = dict[str, Any]


class CreatingUpstream(RecordingUpstream):
    """Creates what it is asked to, and finds it; a context manager like its base.

    Attributes:
        execute: while it is not set, a create waits before anything is created.
        respond: while it is not set, a create waits before it is responded to.
        loses: whether the connection is cut in place of the response to a create.
        refuses: the status of the responses to creates in place of creating; 0: none.
        padding: bytes of a tag that responses have beside.
        runs: what was created, in order.
        creates: the bodies of all creates that came, in order.
        searches: how many searches came.
        forgets: whether nothing is created, and the connection cut: as if it had been killed.
        forgotten: how many creates came to nothing in that way.
        responded: how many creates were responded to.
    """

    def __init__(self) -> None:
        super().__init__(self._script)
        self.execute, self.respond = threading.Event(), threading.Event()
        self.reset()

    def reset(self) -> None:
        """Begin anew for the next test."""
        self.execute.set()
        self.respond.set()
        self.forgets = False
        self.forgotten = 0
        self.responded = 0
        self.loses = False
        self.refuses = 0
        self.padding = 0
        self.runs: list[Message] = []
        self.models: list[Message] = []
        self.creates: list[Message] = []
        self.searches = 0

    @property
    def run_ids(self) -> list[str]:
        """The ids of the runs that were created, in order."""
        return [each["info"]["run_id"] for each in self.runs]

    def wait_for_creates(self, count: int) -> None:
        """Wait until so many creates have come."""
        self.wait_until(lambda: len(self.creates) >= count)

    def wait_for_runs(self, count: int) -> None:
        """Wait until so many runs were created."""
        self.wait_until(lambda: len(self.runs) >= count)

    def _script(self, exchange: Exchange) -> None:
        body = exchange.read_body()
        path = exchange.request.request_line.split(b" ")[1].partition(b"?")[0].decode()
        if path.endswith("/runs/create"):
            self._create(exchange, json.loads(body), self.runs, self.make_run)
        elif path.endswith("/mlflow/logged-models"):
            self._create(exchange, json.loads(body), self.models, self._model)
        elif path.endswith("/search"):
            found = self._found(path, json.loads(body))
            self.record(lambda: setattr(self, "searches", self.searches + 1))
            exchange.send(response_bytes(json.dumps(found).encode()))
        else:
            exchange.send(response_bytes(b"{}"))

    def _create(self, exchange: Exchange, message: Message, made: list[Message], make: Any) -> None:
        self.record(lambda: self.creates.append(message))
        self.wait_for(self.execute)
        if self.refuses:
            exchange.send(response_bytes(b'{"error_code":"X"}', status=self.refuses))
            return
        if self.forgets:
            self.record(lambda: setattr(self, "forgotten", self.forgotten + 1))
            exchange.close()
            return
        one = make(message)
        self.record(lambda: made.append(one))
        self.wait_for(self.respond)
        if self.loses:
            exchange.close()
            return
        kind = "run" if made is self.runs else "model"
        exchange.send(response_bytes(json.dumps({kind: one}).encode(), "Vary: Origin"))
        self.record(lambda: setattr(self, "responded", self.responded + 1))

    def make_run(self, message: Message) -> Message:
        """A run as such a message creates it."""
        name, made = message.get("run_name") or "fast-horse-1", uuid.uuid4().hex
        info = {
            "run_id": made,
            "run_uuid": made,
            "experiment_id": message["experiment_id"],
            "run_name": name,
            "user_id": message.get("user_id", ""),
            "status": "RUNNING",
            "start_time": message.get("start_time", 0),
            "lifecycle_stage": "active",
        }
        tags = [*message.get("tags", []), {"key": "mlflow.runName", "value": name}]
        one: Message = {"info": info, "data": {"tags": tags}, "inputs": {}}
        if self.padding:
            one["padding"] = "x" * self.padding
        return one

    def _model(self, message: Message) -> Message:
        now = 1_700_000_000_000
        info = {
            "model_id": f"m-{uuid.uuid4().hex}",
            "experiment_id": message["experiment_id"],
            "name": message.get("name") or "fast-horse-2",
            "creation_timestamp_ms": now,
            "last_updated_timestamp_ms": now,
            "status": "LOGGED_MODEL_PENDING",
            "model_type": message.get("model_type", ""),
            "source_run_id": message.get("source_run_id", ""),
            "tags": message.get("tags", []),
        }
        return {"info": info, "data": {"params": message.get("params", [])}}

    def _found(self, path: str, message: Message) -> Message:
        if path.endswith("/runs/search"):
            wanted = re.fullmatch(r"attributes\.start_time = (\d+)", message["filter"])
            assert wanted is not None, message
            alike = [each for each in self.runs if each["info"]["start_time"] == int(wanted[1])]
            return {"runs": [{**each, "outputs": {}} for each in alike]}
        wanted = re.fullmatch(r"source_run_id = '(\w+)'", message["filter"])
        assert wanted is not None, message
        return {"models": [e for e in self.models if e["info"]["source_run_id"] == wanted[1]]}
