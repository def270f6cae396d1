"""What the objects that a request names are called: run to experiment to name, asked of MLflow.

Only narrowed keys cause such questions.  Names are cached for a short while and in bounded number;
what cannot be found out has no name, and a key that may only act on named things may not act on it.

The look-ups of one request are a ``Lookups``: they are bounded in number, and traces are looked up
in batches where MLflow has a route for that.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import quote

from headgate.model import NOBODY, ObjectKind, Principal
from headgate.reasons import Reason
from headgate.wire.escapes import trouble

FRESH_SECONDS = 30.0
"""How long a response is good for: a renamed experiment is known by its new name after that."""
MAX_KEPT = 8192
MAX_OBJECTS: Final = 100
"""Objects that one request may name, and experiments that these may lie in: each of them may cost
a question to MLflow."""
LONGEST_VALUE: Final = 4096
"""Characters of an id or a location; MLflow stores no location of more than 1,000
(``mlflow.store.tracking.dbmodels.models``)."""
BATCH: Final = 25
"""Traces that MLflow is asked about together.  What it says of each may take several kilobytes."""

_EXPERIMENT_ID = re.compile(r"[0-9]{1,32}")
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_MODEL_ID = re.compile(r"m-[0-9a-f]{32}")
_TRACE_ID = re.compile(r"(?:tr-)?[0-9a-f]{32}")
_DATASET_ID = re.compile(r"d-[0-9a-f]{32}")
# As MLflow's own parsers read them (RunsArtifactRepository.parse_runs_uri, _parse_model_uri and
# _get_proxied_run_artifact_destination_path, 3.17.2): after ``//`` comes a host, which they pass
# over, unless a third slash follows.
_ROOT = r"(?:/|///)"
_RUNS_URI = re.compile(rf"runs:{_ROOT}([0-9a-f]{{32}})(?:/.*)?")
_MODEL_URI = re.compile(rf"models:{_ROOT}(m-[0-9a-f]{{32}})")
_VERSION_URI = re.compile(rf"models:{_ROOT}([^/@]+)/([0-9]{{1,10}})")
_PROXIED = re.compile(rf"mlflow-artifacts:{_ROOT}([^/:]+(?:/.*)?)")
_NOT_PLAIN = re.compile(r"[?#;%\\\x00-\x1f\x7f-\x9f]|^\s|\s$|/\.{1,2}(?:/|$)")
"""What a location may hold so that some reader takes its end, or its way, for another."""
MAX_STEPS: Final = 3
"""Locations that a location may lead to: a version of a model stands for its own source."""


class Response(Protocol):
    """A response of MLflow's."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def body(self) -> bytes:
        """The whole body."""


class UnresolvableError(Exception):
    """MLflow gave no usable response.

    ``reason``: why it could not, where it may be able to in a moment.
    """

    def __init__(self, detail: str, reason: Reason | None = None) -> None:
        super().__init__(detail)
        self.reason = reason


class TooManyError(Exception):
    """To decide on the request would take more look-ups than ``MAX_OBJECTS``."""


class Ask(Protocol):
    """Sends MLflow a question of the gate's own."""

    async def __call__(
        self,
        target: str,
        body: bytes = b"",
        workspace: str | None = None,
        principal: Principal = NOBODY,
    ) -> Response:
        """Send a GET for a path with its query, or a POST with a JSON ``body``.

        ``workspace`` is the one that the request names, in which it will be executed;
        ``principal`` sends it.

        Raises:
            UnresolvableError: there is no response, or the server's version has no such route.
        """


class Names(NamedTuple):
    """What an object is called: the names of the experiments it lies in; ``absent``: no such."""

    names: tuple[str, ...] = ()
    absent: bool = False


UNRESOLVED = Names()
ABSENT = Names((), True)


class Resolver:
    """Looks up names for one upstream, and caches them.

    Args:
        ask: sends the questions.
        clock: seconds from an arbitrary start.
    """

    def __init__(self, ask: Ask, clock: Callable[[], float]) -> None:
        self.ask = ask
        self._clock = clock
        self._kept: OrderedDict[tuple[ObjectKind, str], tuple[float, Names]] = OrderedDict()

    def lookups(self, workspace: str | None = None, principal: Principal = NOBODY) -> Lookups:
        """The look-ups of one request, none made yet.

        ``workspace``: the one that it names; ``principal``: who sends it.
        """
        return Lookups(self, workspace, principal)

    def cached(self, kind: ObjectKind, value: str) -> Names | None:
        """What is known of an object, if that is recent enough."""
        kept = self._kept.get((kind, value))
        if kept is None or self._clock() - kept[0] >= FRESH_SECONDS:
            return None
        return kept[1]

    def keep(self, kind: ObjectKind, value: str, names: Names) -> None:
        """Cache what was found; not that there is no such object: it may come at any moment."""
        if names.absent:
            return
        self._kept[kind, value] = (self._clock(), names)
        self._kept.move_to_end((kind, value))
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)


class Lookups:
    """The look-ups of one request, one after another and bounded in number.

    Args:
        resolver: the upstream's.
        workspace: the one that the request names.
        principal: who sends it; the look-ups wait among that principal's requests.
    """

    def __init__(
        self,
        resolver: Resolver,
        workspace: str | None = None,
        principal: Principal = NOBODY,
    ) -> None:
        self._resolver = resolver
        self._workspace = workspace
        self._principal = principal
        self._experiments: set[str] = set()
        self._traces: dict[str, str | None] = {}  # the experiment of each; None: no such trace
        self._by_kind: Mapping[ObjectKind, Callable[[str], Awaitable[Names]]] = {
            ObjectKind.EXPERIMENT: self._experiment,
            ObjectKind.RUN: self._run,
            ObjectKind.LOGGED_MODEL: self._logged_model,
            ObjectKind.TRACE: self._trace,
            ObjectKind.DATASET: self._dataset,
            ObjectKind.ARTIFACT: self._artifact,
            ObjectKind.LOCATION: self._location,
        }

    async def names(self, kind: ObjectKind, value: str) -> Names:
        """The names of the object of that kind and id; ``UNRESOLVED`` if they cannot be found out.

        Raises:
            UnresolvableError: MLflow failed; a later attempt may succeed.
            TooManyError: this would be one more than may be looked up.
        """
        kept = self._resolver.cached(kind, value)
        if kept is not None:
            return kept
        lookup = self._by_kind.get(kind)
        if lookup is None or len(value) > LONGEST_VALUE:
            return UNRESOLVED
        try:
            found = await lookup(value)
        except UnresolvableError as error:
            if error.reason is not None:
                raise
            return UNRESOLVED  # not kept: the next request asks again
        if kind is not ObjectKind.LOCATION:  # a model's version may get another source
            self._resolver.keep(kind, value, found)
        return found

    async def prepare_traces(self, values: Iterable[str]) -> None:
        """Ask about several traces together, so that ``names`` need not ask about each.

        MLflow has had a route for that since 3.12.  Where there is none, nothing is prepared.

        Raises:
            UnresolvableError: MLflow failed; a later attempt may succeed.
        """
        wanted = [
            value
            for value in dict.fromkeys(values)
            if _TRACE_ID.fullmatch(value) and self._resolver.cached(ObjectKind.TRACE, value) is None
        ]
        if len(wanted) < 2:
            return
        for start in range(0, len(wanted), BATCH):
            batch = wanted[start : start + BATCH]
            try:
                found = await self._experiments_of(batch)
            except UnresolvableError as error:
                if error.reason is not None:
                    raise
                return
            for value in batch:
                self._traces[value] = found.get(value)

    async def trace_place(self, trace_id: str, experiment_id: str) -> str:
        """Where MLflow itself has put the data of a trace, or would put those of a new one.

        Args:
            trace_id: of the trace.
            experiment_id: where it is to be made; empty for a trace that is there.

        Returns:
            The location; empty if there is none.

        Raises:
            UnresolvableError: MLflow gave no usable response.
        """
        if experiment_id:
            if _EXPERIMENT_ID.fullmatch(experiment_id) is None:
                return ""
            target = f"/api/2.0/mlflow/experiments/get?experiment_id={experiment_id}"
            found = await self._get(target)
            if found is None:
                return ""
            root = _text(found, "experiment", "artifact_location").rstrip("/")
            return f"{root}/traces/{trace_id}/artifacts"
        if _TRACE_ID.fullmatch(trace_id) is None:
            return ""
        found = await self._get(f"/api/2.0/mlflow/traces/{quote(trace_id, safe='')}/info")
        info = {} if found is None else found.get("trace_info", {})
        for tag in info.get("tags", ()) if isinstance(info, dict) else ():
            if isinstance(tag, dict) and tag.get("key") == "mlflow.artifactLocation":
                return str(tag.get("value", ""))
        return ""

    async def _experiments_of(self, traces: Sequence[str]) -> dict[str, str]:
        """The ids of the experiments of those traces that there are."""
        target = "/api/3.0/mlflow/traces/batchGetInfos"
        body = json.dumps({"trace_ids": traces}).encode("ascii")
        found = await self._get(target, body)
        infos = None if found is None else found.get("trace_infos", [])
        if not isinstance(infos, list):
            raise UnresolvableError("the response holds no trace_infos")
        return {_text(info, "trace_id"): _text(info, *_TRACE_EXPERIMENT) for info in infos}

    async def _get(self, target: str, body: bytes = b"") -> dict[str, Any] | None:
        """MLflow's JSON response, or None when it says that there is no such object."""
        response = await self._resolver.ask(target, body, self._workspace, self._principal)
        try:
            parsed = json.loads(response.body)
        except (ValueError, RecursionError):
            parsed = None
        if isinstance(parsed, dict):
            if response.status == 200:
                return parsed
            # That of a route which the server does not have is in HTML.
            if response.status == 404 and parsed.get("error_code") == "RESOURCE_DOES_NOT_EXIST":
                return None
        failed = Reason.UPSTREAM_ERROR if response.status >= 500 else None
        raise UnresolvableError(f"{target.partition('?')[0]} answered {response.status}", failed)

    async def _experiment(self, value: str) -> Names:
        if _EXPERIMENT_ID.fullmatch(value) is None:
            return UNRESOLVED
        self._experiments.add(value)
        if len(self._experiments) > MAX_OBJECTS:
            raise TooManyError
        found = await self._get(f"/api/2.0/mlflow/experiments/get?experiment_id={value}")
        return ABSENT if found is None else Names((_text(found, "experiment", "name"),))

    async def _in_experiment(self, found: dict[str, Any] | None, *path: str) -> Names:
        """The name of the experiment whose id stands at ``path`` of a response."""
        if found is None:
            return ABSENT
        return await self.names(ObjectKind.EXPERIMENT, _text(found, *path))

    async def _run(self, value: str) -> Names:
        if _RUN_ID.fullmatch(value) is None:
            return UNRESOLVED
        found = await self._get(f"/api/2.0/mlflow/runs/get?run_id={value}")
        return await self._in_experiment(found, "run", "info", "experiment_id")

    async def _logged_model(self, value: str) -> Names:
        if _MODEL_ID.fullmatch(value) is None:
            return UNRESOLVED
        found = await self._get(f"/api/2.0/mlflow/logged-models/{value}")
        return await self._in_experiment(found, "model", "info", "experiment_id")

    async def _trace(self, value: str) -> Names:
        if _TRACE_ID.fullmatch(value) is None:
            return UNRESOLVED
        if value in self._traces:
            experiment = self._traces[value]
            if experiment is None:
                return ABSENT
            return await self.names(ObjectKind.EXPERIMENT, experiment)
        escaped = quote(value, safe="")
        try:
            found = await self._get(f"/api/3.0/mlflow/traces/{escaped}")
        except UnresolvableError as error:
            if error.reason is not None:
                raise
            # MLflow 2 has the older route alone.
            found = await self._get(f"/api/2.0/mlflow/traces/{escaped}/info")
            return await self._in_experiment(found, "trace_info", "experiment_id")
        return await self._in_experiment(found, "trace", "trace_info", *_TRACE_EXPERIMENT)

    async def _dataset(self, value: str) -> Names:
        if _DATASET_ID.fullmatch(value) is None:
            return UNRESOLVED
        found = await self._get(f"/api/3.0/mlflow/datasets/{value}/experiment-ids")
        if found is None:
            return ABSENT
        names: list[str] = []
        for experiment in found.get("experiment_ids", ()):
            more = await self.names(ObjectKind.EXPERIMENT, str(experiment))
            if not more.names:
                return UNRESOLVED
            names += more.names
        return Names(tuple(names))

    async def _artifact(self, value: str) -> Names:
        """By its path from the root of the artifact store: ``experiment id/…``."""
        if trouble(f"/{value.strip('/')}", relative=False):
            return UNRESOLVED
        first, _, rest = value.strip("/").partition("/")
        if first == "workspaces":
            first = rest.partition("/")[2].partition("/")[0]
        return await self.names(ObjectKind.EXPERIMENT, first)

    async def _location(self, value: str) -> Names:
        """By an address that MLflow will follow; other stores than MLflow's own stay unresolved.

        What the shields let pass does not matter here: only what can be read in one way has a
        name.
        """
        for _ in range(MAX_STEPS):
            if _NOT_PLAIN.search(value) is not None:
                break
            if (match := _VERSION_URI.fullmatch(value)) is None:
                return await self._place(value)
            name, version = quote(match[1], safe=""), match[2]
            found = await self._get(
                f"/api/2.0/mlflow/model-versions/get-download-uri?name={name}&version={version}"
            )
            if found is None:
                break
            value = _text(found, "artifact_uri")
        return UNRESOLVED

    async def _place(self, value: str) -> Names:
        """By a plain address in MLflow's own store."""
        if match := _RUNS_URI.fullmatch(value):
            return await self.names(ObjectKind.RUN, match[1])
        if match := _MODEL_URI.fullmatch(value):
            return await self.names(ObjectKind.LOGGED_MODEL, match[1])
        if match := _PROXIED.fullmatch(value):
            # MLflow's own migration tool writes empty segments, which stores pass over.
            return await self._artifact(re.sub("//+", "/", match[1]))
        return UNRESOLVED


_TRACE_EXPERIMENT: Final = ("trace_location", "mlflow_experiment", "experiment_id")


def _text(found: Any, *path: str) -> str:
    """The text at ``path`` of a response.

    Raises:
        UnresolvableError: there is none.
    """
    value: Any = found
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, str) or not value:
        raise UnresolvableError(f"the response holds no {'.'.join(path)}")
    return value
