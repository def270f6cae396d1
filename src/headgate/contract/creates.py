"""Creates that can be recognised in MLflow afterwards: what they name, and what becomes of them.

A create is *telling* when what it names leads to no more than what was made by creates alike: a run
by the millisecond in which its client started it, a logged model by the run that it comes from.
MLflow's client names both (``mlflow.tracking.MlflowClient.create_run``, and ``log_model`` within a
run; 2.22.5 to 3.17.2 send the same fields).

Responses were compared field by field with what a search finds afterwards (2.22.5, 3.17.2): the
same, but for an empty ``outputs`` that a search of 3.x adds to a run.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Final

from headgate.model import Created, Operation

MAX_RESULTS: Final = 200
"""In one response to a search; there are as many as processes have started alike."""

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Create:
    """A telling create.

    Attributes:
        experiment: the id of the experiment.
        tags: as it names them.
    """

    experiment: str
    tags: dict[str, str]

    @property
    @abstractmethod
    def target(self) -> str:
        """The canonical path of the search that finds what became of it."""

    @property
    @abstractmethod
    def results(self) -> str:
        """The field of the search's response with what it has found."""

    @property
    @abstractmethod
    def query(self) -> str:
        """The filter of that search."""

    def search(self, page: str = "") -> bytes:
        """The body of that search; ``page``: the token of the next page."""
        message: Message = {"experiment_ids": [self.experiment], "filter": self.query}
        message["max_results"] = MAX_RESULTS
        if page:
            message["page_token"] = page
        return json.dumps(message).encode("ascii")

    @abstractmethod
    def made(self, found: Message) -> tuple[str, bytes] | None:
        """The id of what was found, and the body of the response to its create.

        ``None``: it is not what such a create makes, or somebody works with it already.
        """

    def made_of(self, body: bytes) -> str:
        """The id in a response to the create; empty where it has none."""
        try:
            return self._id(json.loads(body))
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""

    @abstractmethod
    def _id(self, response: Message) -> str: ...


@dataclass(frozen=True, slots=True)
class CreateRun(Create):
    """``runs/create`` with a start time."""

    start_time: int
    user: str
    name: str

    @property
    def target(self) -> str:
        """See ``Create``."""
        return "/api/2.0/mlflow/runs/search"

    @property
    def results(self) -> str:
        """See ``Create``."""
        return "runs"

    @property
    def query(self) -> str:
        """See ``Create``."""
        return f"attributes.start_time = {self.start_time}"

    def made(self, found: Message) -> tuple[str, bytes] | None:
        """See ``Create``: a run that goes on, with no data but the tags it was made with."""
        info, data = found["info"], found.get("data", {})
        tags = _pairs(data.get("tags", []))
        name = self.name or self.tags.get(_RUN_NAME, "")
        is_its = (
            info.get("experiment_id") == self.experiment
            and int(info.get("start_time", 0)) == self.start_time
            and info.get("user_id", "") == self.user
            and info.get("run_name", "") == (name or info.get("run_name", ""))
            and tags == {_RUN_NAME: info.get("run_name", ""), **self.tags}
        )
        is_new = (
            info.get("status") == "RUNNING"
            and not int(info.get("end_time", 0))
            and set(data) <= {"tags"}
            and not any(found.get("inputs", {}).values())
            and not any(found.get("outputs", {}).values())
        )
        if not is_its or not is_new:
            return None
        run = {key: value for key, value in found.items() if key != "outputs"}
        return str(info["run_id"]), _body({"run": run})

    def _id(self, response: Message) -> str:
        return str(response["run"]["info"]["run_id"])


@dataclass(frozen=True, slots=True)
class CreateLoggedModel(Create):
    """The creation of a logged model that comes from a run."""

    source_run: str
    name: str
    model_type: str
    params: dict[str, str]

    @property
    def target(self) -> str:
        """See ``Create``."""
        return "/api/2.0/mlflow/logged-models/search"

    @property
    def results(self) -> str:
        """See ``Create``."""
        return "models"

    @property
    def query(self) -> str:
        """See ``Create``."""
        return f"source_run_id = '{self.source_run}'"

    def made(self, found: Message) -> tuple[str, bytes] | None:
        """See ``Create``: a model that waits for its files, as it was made."""
        info, data = found["info"], found.get("data", {})
        is_its = (
            info.get("experiment_id") == self.experiment
            and info.get("source_run_id") == self.source_run
            and info.get("model_type", "") == self.model_type
            and info.get("name", "") == (self.name or info.get("name", ""))
            and _pairs(info.get("tags", [])) == self.tags
            and _pairs(data.get("params", [])) == self.params
        )
        is_new = (
            info.get("status") == "LOGGED_MODEL_PENDING"
            and set(data) <= {"params"}
            and not info.get("registrations")
            and info.get("creation_timestamp_ms") == info.get("last_updated_timestamp_ms")
        )
        return (str(info["model_id"]), _body({"model": found})) if is_its and is_new else None

    def _id(self, response: Message) -> str:
        return str(response["model"]["info"]["model_id"])


_RUN_NAME: Final = "mlflow.runName"
_RUN_FIELDS: Final = frozenset({"experiment_id", "user_id", "start_time", "tags", "run_name"})
_MODEL_FIELDS: Final = frozenset(
    {"experiment_id", "name", "model_type", "source_run_id", "params", "tags"}
)


def read_create(operation: Operation, body: bytes) -> Create | None:
    """What a create names; ``None``: it is not telling, or is not written as clients write it."""
    try:
        message = json.loads(body)
        if operation.creates is Created.RUN:
            return _run(message)
        if operation.creates is Created.LOGGED_MODEL:
            return _logged_model(message)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass  # MLflow says what is wrong with it
    return None


def _run(message: Message) -> Create | None:
    start_time = int(message["start_time"])
    if not set(message) <= _RUN_FIELDS or start_time <= 0:
        return None
    user, name = message.get("user_id", ""), message.get("run_name", "")
    return CreateRun(
        _text(message["experiment_id"]),
        _pairs(message.get("tags", [])),
        start_time,
        _text(user),
        _text(name),
    )


def _logged_model(message: Message) -> Create | None:
    source = _text(message["source_run_id"])
    if not set(message) <= _MODEL_FIELDS or not source.isalnum():
        return None
    return CreateLoggedModel(
        _text(message["experiment_id"]),
        _pairs(message.get("tags", [])),
        source,
        _text(message.get("name", "")),
        _text(message.get("model_type", "")),
        _pairs(message.get("params", [])),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("it is no text")
    return value


def _pairs(listed: list[Message]) -> dict[str, str]:
    return {_text(each["key"]): _text(each.get("value", "")) for each in listed}


def _body(message: Message) -> bytes:
    return json.dumps(message, indent=2).encode("ascii")
