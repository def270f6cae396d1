"""What the objects that a request names are called: run to experiment to name, asked of MLflow.

Only narrowed keys cause such questions.  Answers are kept for a short while and in bounded number;
what cannot be found out has no name, and who may only act on named things may not act on it.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from headgate.model import ObjectKind, Reason

FRESH_SECONDS = 30.0
"""How long an answer is good for: a renamed experiment is known by its new name after that."""
MAX_KEPT = 8192

_EXPERIMENT_ID = re.compile(r"[0-9]{1,32}")
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_MODEL_ID = re.compile(r"m-[0-9a-f]{32}")
_TRACE_ID = re.compile(r"(?:tr-)?[0-9a-f]{32}")
_DATASET_ID = re.compile(r"d-[0-9a-f]{32}")
_RUNS_URI = re.compile(r"runs:/+([0-9a-f]{32})(?:/.*)?")
_MODEL_URI = re.compile(r"models:/+(m-[0-9a-f]{32})(?:/.*)?")
_PROXIED = re.compile(r"mlflow-artifacts:/+(?![^/]*:)([^?#]*)")


class Answer(Protocol):
    """What MLflow answered."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def body(self) -> bytes:
        """The whole body."""


class UnresolvableError(Exception):
    """MLflow gave no usable answer.

    ``reason``: why it could not, where it may be able to in a moment.
    """

    def __init__(self, detail: str, reason: Reason | None = None) -> None:
        super().__init__(detail)
        self.reason = reason


Ask = Callable[[str], Awaitable[Answer]]
"""Sends MLflow a GET for a path with its query.  Raises ``UnresolvableError``."""


class Names(NamedTuple):
    """What an object is called: the names of the experiments it lies in; ``absent``: no such."""

    names: tuple[str, ...] = ()
    absent: bool = False


NOBODYS = Names()
ABSENT = Names((), True)


class Resolver:
    """Looks up names for one upstream.

    Args:
        ask: sends the questions.
        clock: seconds from an arbitrary start.
    """

    def __init__(self, ask: Ask, clock: Callable[[], float]) -> None:
        self._ask = ask
        self._clock = clock
        self._kept: OrderedDict[tuple[ObjectKind, str], tuple[float, Names]] = OrderedDict()
        self._lookups: Mapping[ObjectKind, Callable[[str], Awaitable[Names]]] = {
            ObjectKind.EXPERIMENT: self._experiment,
            ObjectKind.RUN: self._run,
            ObjectKind.LOGGED_MODEL: self._logged_model,
            ObjectKind.TRACE: self._trace,
            ObjectKind.DATASET: self._dataset,
            ObjectKind.ARTIFACT: self._artifact,
            ObjectKind.LOCATION: self._location,
        }

    async def names(self, kind: ObjectKind, value: str) -> Names:
        """What the object of that kind and id is called; nobody's when that cannot be found out.

        Raises:
            UnresolvableError: MLflow failed; it may tell in a moment.
        """
        key = (kind, value)
        kept = self._kept.get(key)
        if kept is not None and self._clock() - kept[0] < FRESH_SECONDS:
            return kept[1]
        lookup = self._lookups.get(kind)
        if lookup is None:
            return NOBODYS
        try:
            found = await lookup(value)
        except UnresolvableError as error:
            if error.reason is not None:
                raise
            return NOBODYS  # not kept: the next request asks again
        if not found.absent:  # what is not there may come at any moment
            self._kept[key] = (self._clock(), found)
            self._kept.move_to_end(key)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return found

    async def _get(self, target: str) -> dict[str, Any] | None:
        """MLflow's JSON answer, or None when there is no such object."""
        answer = await self._ask(target)
        if answer.status == 404:
            return None
        try:
            parsed = json.loads(answer.body) if answer.status == 200 else None
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            failed = Reason.UPSTREAM_ERROR if answer.status >= 500 else None
            raise UnresolvableError(f"{target.partition('?')[0]} answered {answer.status}", failed)
        return parsed

    async def _experiment(self, value: str) -> Names:
        if _EXPERIMENT_ID.fullmatch(value) is None:
            return NOBODYS
        found = await self._get(f"/api/2.0/mlflow/experiments/get?experiment_id={value}")
        return ABSENT if found is None else _named(found, "experiment", "name")

    async def _in_experiment(self, found: dict[str, Any] | None, *path: str) -> Names:
        """The name of the experiment whose id stands at ``path`` of an answer."""
        if found is None:
            return ABSENT
        (experiment,) = _named(found, *path).names or ("",)
        return await self.names(ObjectKind.EXPERIMENT, experiment)

    async def _run(self, value: str) -> Names:
        if _RUN_ID.fullmatch(value) is None:
            return NOBODYS
        found = await self._get(f"/api/2.0/mlflow/runs/get?run_id={value}")
        return await self._in_experiment(found, "run", "info", "experiment_id")

    async def _logged_model(self, value: str) -> Names:
        if _MODEL_ID.fullmatch(value) is None:
            return NOBODYS
        found = await self._get(f"/api/2.0/mlflow/logged-models/{value}")
        return await self._in_experiment(found, "model", "info", "experiment_id")

    async def _trace(self, value: str) -> Names:
        if _TRACE_ID.fullmatch(value) is None:
            return NOBODYS
        found = await self._get(f"/api/3.0/mlflow/traces/{quote(value, safe='')}")
        path = ("trace", "trace_info", "trace_location", "mlflow_experiment", "experiment_id")
        return await self._in_experiment(found, *path)

    async def _dataset(self, value: str) -> Names:
        if _DATASET_ID.fullmatch(value) is None:
            return NOBODYS
        found = await self._get(f"/api/3.0/mlflow/datasets/{value}/experiment-ids")
        if found is None:
            return ABSENT
        names: tuple[str, ...] = ()
        for experiment in found.get("experiment_ids", ()):
            more = await self.names(ObjectKind.EXPERIMENT, str(experiment))
            if not more.names:
                return NOBODYS
            names += more.names
        return Names(names)

    async def _artifact(self, value: str) -> Names:
        """By its path from the root of the artifact store: ``experiment id/…``."""
        segments = value.strip("/").split("/")
        if any(segment in (".", "..") or "\\" in segment for segment in segments):
            return NOBODYS
        first, _, rest = value.strip("/").partition("/")
        if first == "workspaces":
            first = rest.partition("/")[2].partition("/")[0]
        return await self.names(ObjectKind.EXPERIMENT, first)

    async def _location(self, value: str) -> Names:
        """By an address that MLflow will follow; other stores than MLflow's own are nobody's."""
        if match := _RUNS_URI.fullmatch(value):
            return await self.names(ObjectKind.RUN, match[1])
        if match := _MODEL_URI.fullmatch(value):
            return await self.names(ObjectKind.LOGGED_MODEL, match[1])
        if (match := _PROXIED.fullmatch(value)) and ".." not in value and "%" not in value:
            return await self._artifact(match[1])
        return NOBODYS


def _named(found: Mapping[str, Any], *path: str) -> Names:
    """The text at ``path`` of an answer, as the one name there is."""
    value: Any = found
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, str) or not value:
        raise UnresolvableError(f"the answer holds no {'.'.join(path)}")
    return Names((value,))
