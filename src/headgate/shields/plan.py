"""Which shields apply to an operation, and which parts of its requests they check."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from headgate.config.shields import ShieldRule
from headgate.model import FAMILIES, Action, ObjectKind, Operation, Place

_PATHS: Final = frozenset({ObjectKind.PATH, ObjectKind.ARTIFACT})
_FILES: Final = frozenset({ObjectKind.LOCAL_FILE})
_IDENTIFIERS: Final = frozenset({ObjectKind.RUN, ObjectKind.EXPERIMENT, ObjectKind.LOGGED_MODEL})
_NAMING: Final = {
    "experiments/create": "name",
    "experiments/update": "new_name",
    "registered-models/create": "name",
    "registered-models/rename": "new_name",
}
"""The field with the new name, by operation."""
_TAGGING: Final = frozenset({"traces/set-tag", "traces/start", "traces/start-v2", "traces/end-v2"})
_GRAPHQL: Final = "graphql"
_PROXY: Final = frozenset({"gateway/deployments-proxy", "gateway/deployments-proxy-read"})
PROXY_PATH: Final = "gateway_path"
_PROVIDER_MODELS, _PROVIDER_URL = "assistant/providers/models", "base_url"
_SETTING_UP: Final = ("/create", "/update", "/attach-model", "/update-config")
"""How the operations end whose bodies may hold an address that the server calls, in the families
that have such addresses."""
_SCORERS: Final = frozenset(
    {"scorers/register", "scorers/invoke", "scorers/evaluate", "jobs/submit"}
)
_ARTIFACTS: Final = frozenset(
    {
        "artifacts/download",
        "artifacts/get",
        "artifacts/get-of-version",
        "artifacts/get-of-trace",
        "artifacts/get-of-logged-model",
    }
)
"""The operations whose response is an artifact."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The parts of a request that shields check; empty for most operations.

    Attributes:
        off: the operation is refused for every key.
        path_parameters: the parameters of the path that contain a path.
        query_paths: the parameters of the query that contain a path.
        query_identifiers: those that contain an id.
        query_urls: those that contain an address to call.
        query_proxied: the query contains the path of a request that the server makes.
        body_paths: the fields of the body that contain a path.
        body_files: those that contain the path of a file on the client's machine.
        body_locations: those that contain a location.
        body_name: the field with a new name, or empty.
        names_model: the new name is that of a registered model.
        body_urls: any field of the body may contain an address to call.
        body_tags: the body sets tags of a trace.
        body_query: the body is a GraphQL query.
        body_scorers: the body contains serialized scorers.
        export: the body is an OTLP message, whose attributes become tags of traces.
        artifact: the response is an artifact.
    """

    off: bool = False
    path_parameters: frozenset[str] = frozenset()
    query_paths: frozenset[str] = frozenset()
    query_identifiers: frozenset[str] = frozenset()
    query_urls: frozenset[str] = frozenset()
    query_proxied: bool = False
    body_paths: frozenset[str] = frozenset()
    body_files: frozenset[str] = frozenset()
    body_locations: frozenset[str] = frozenset()
    body_name: str = ""
    names_model: bool = False
    body_urls: bool = False
    body_tags: bool = False
    body_query: bool = False
    body_scorers: bool = False
    export: bool = False
    artifact: bool = False

    @property
    def of_query(self) -> bool:
        """Whether shields check the query."""
        return bool(self.query_paths or self.query_identifiers or self.query_urls)

    @property
    def of_body(self) -> bool:
        """Whether shields check the body, so that the gate has to buffer it."""
        return bool(
            self.body_paths
            or self.body_files
            or self.body_locations
            or self.body_name
            or self.body_urls
            or self.body_tags
            or self.body_query
            or self.body_scorers
        )


def plan_of(operation: Operation, rules: AbstractSet[ShieldRule]) -> Plan:
    """What ``rules``, the shields that are on, check."""
    name = operation.name
    traversal = ShieldRule.TRAVERSAL in rules
    stored = ShieldRule.STORED_LOCATION in rules
    targets = ShieldRule.PRIVATE_TARGET in rules
    proxied = frozenset({PROXY_PATH} if name in _PROXY and traversal else ())
    return Plan(
        off=operation.family == "assistant" and ShieldRule.ASSISTANT in rules,
        path_parameters=_fields(operation, _PATHS, Place.PATH, wanted=traversal),
        query_paths=proxied | _fields(operation, _PATHS, Place.QUERY, wanted=traversal),
        query_identifiers=_fields(
            operation,
            _IDENTIFIERS,
            Place.QUERY,
            wanted=traversal and operation.family == "artifacts",
        ),
        query_proxied=bool(proxied),
        query_urls=frozenset({_PROVIDER_URL} if name == _PROVIDER_MODELS and targets else ()),
        body_paths=proxied | _fields(operation, _PATHS, Place.BODY, wanted=traversal),
        body_files=_fields(operation, _FILES, Place.BODY, wanted=traversal),
        body_locations=_fields(
            operation, frozenset({ObjectKind.LOCATION}), Place.BODY, wanted=stored
        ),
        body_name=_NAMING.get(name, "") if ShieldRule.ESCAPED_NAME in rules else "",
        names_model=operation.family == "models",
        body_urls=targets
        and FAMILIES[operation.family].calls_out
        and operation.action is Action.ADMINISTER
        and name.endswith(_SETTING_UP),
        body_tags=stored and sets_trace_tags(operation),
        body_scorers=name in _SCORERS and ShieldRule.SCORER in rules,
        body_query=name == _GRAPHQL and ShieldRule.GRAPHQL_BOUNDS in rules,
        export=stored and operation.otlp,
        artifact=name in _ARTIFACTS and ShieldRule.ARTIFACT_RESPONSE in rules,
    )


def sets_trace_tags(operation: Operation) -> bool:
    """Whether a JSON body may set tags of a trace."""
    return operation.name in _TAGGING


def _fields(
    operation: Operation, kinds: frozenset[ObjectKind], place: Place, *, wanted: bool
) -> frozenset[str]:
    return frozenset(
        each.name.replace("[]", "")
        for each in operation.objects
        if wanted and each.place is place and each.kind in kinds
    )
