"""The nouns every room speaks of, as frozen types without behaviour."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from headgate.reasons import Reason


class Api(enum.StrEnum):
    """MLflow's APIs, as far as health is told of them."""

    EXPERIMENTS = "experiments"
    MODELS = "models"
    ARTIFACTS = "artifacts"
    TRACES = "traces"


class Phase(enum.StrEnum):
    """The steps of a request's life, in order (docs/explanation/architecture.md)."""

    ACCEPT = "accept"
    PARSE = "parse"
    CANONICALISE = "canonicalise"
    CLASSIFY = "classify"
    AUTHENTICATE = "authenticate"
    AUTHORISE = "authorise"
    ADMIT = "admit"
    SELECT = "select"
    FORWARD = "forward"
    RESPOND = "respond"
    ACCOUNT = "account"


FAMILIES: Final = (
    "experiments",
    "runs",
    "metrics",
    "models",
    "artifacts",
    "logged-models",
    "traces",
    "assessments",
    "datasets",
    "scorers",
    "prompts",
    "webhooks",
    "ai-gateway",
    "jobs",
    "assistant",
    "workspaces",
    "auth-admin",
    "ui",
    "meta",
    "gate",
)
"""The families of routes: MLflow's, and the gate's own."""


class Retry(enum.Enum):
    """Whether repeating an operation can change MLflow's state a second time."""

    SAFE = "safe"
    NEVER = "never"


class BodyHandling(enum.Enum):
    """How a request body travels to MLflow.

    ``STREAM``: any framing.  ``LENGTH``: MLflow serves the route from Flask, whose WSGI bridge
    drops chunked bodies in silence, so a chunked body is collected and sent with its length.
    """

    STREAM = "stream"
    LENGTH = "length"


class SizeClass(enum.Enum):
    """Which limit a request body is under."""

    API = "api"
    TRACES = "traces"
    ARTIFACTS = "artifacts"


class Action(enum.Enum):
    """What a key must be allowed to do with a family for an operation of it."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    ADMINISTER = "administer"


class ObjectKind(enum.Enum):
    """The things that operations act on and that a key may be narrowed to, or led astray by.

    ``ARTIFACT``: a path from the root of the artifact store.  ``PATH``: one within another object
    named beside it.  ``LOCAL_FILE``: a path on the client's own machine, of which MLflow takes the
    last segment as a name below the object named beside it.  ``LOCATION``: an address of stored
    files that MLflow keeps and follows later.
    """

    EXPERIMENT = "experiment"
    EXPERIMENT_NAME = "experiment-name"
    RUN = "run"
    MODEL = "model"
    LOGGED_MODEL = "logged-model"
    TRACE = "trace"
    DATASET = "dataset"
    ASSESSMENT = "assessment"
    WORKSPACE = "workspace"
    ARTIFACT = "artifact"
    PATH = "path"
    LOCAL_FILE = "local-file"
    LOCATION = "location"


class Place(enum.Enum):
    """The part of a request that a field stands in."""

    PATH = "path"
    QUERY = "query"
    BODY = "body"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class ObjectField:
    """Where an operation names an object.

    ``name`` is that of a path parameter, of a field of the head, or of a field of MLflow's
    message: in a body, ``.`` leads into a message within it, ``[]`` follows a repeated one; in a
    query, the name alone is repeated.  Every field that is there counts, for MLflow may read any
    of them.  ``may_be_new``: there may be no such object yet.  ``instead``: it may be named in the
    place of the first object of its operation, not only beside it.
    """

    kind: ObjectKind
    place: Place
    name: str
    may_be_new: bool = False
    instead: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """What a request asks for, whatever its spelling; ``public``: of anybody, without a key.

    Attributes:
        body: how MLflow's newest known version takes the body; ``headgate.contract.body_handling``
            says it for any version.
        static: its responses are files that are the same for everybody, and sent compressed.
        json_only: MLflow responds to it with JSON or with an empty body, and with nothing else.
        own: it is one of the gate's own pages, which no MLflow sees.
        name: of the route, such as ``runs/create``; the methods of one route share it.
        also: further families that ``action`` must be allowed on.
        decides_by_body: which objects are acted on cannot be told without the body.
        path: the pattern below ``/api/2.0`` and the like, or the whole one if it begins with ``/``.
        places: the parts before ``path`` that some MLflow answers, such as ``/ajax-api/3.0``.
        since: the oldest known version that has the route; empty for the gate's own.
        not_in: the newest known version that has not got it yet; empty if all have it.
        native_since: the oldest known version that serves it from FastAPI; empty if none does.
        otlp: it is a request of the OpenTelemetry protocol, not of MLflow's own.
        ends_in_artifact: its path ends in the path of an artifact.
    """

    family: str
    retry: Retry
    body: BodyHandling
    size: SizeClass = SizeClass.API
    public: bool = False
    static: bool = False
    json_only: bool = False
    own: bool = False
    name: str = ""
    action: Action = Action.ADMINISTER
    also: tuple[str, ...] = ()
    objects: tuple[ObjectField, ...] = ()
    decides_by_body: bool = False
    path: str = ""
    places: tuple[str, ...] = ()
    since: str = ""
    not_in: str = ""
    native_since: str = ""
    otlp: bool = False
    ends_in_artifact: bool = False


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The objects that a grant is held to: those whose names fit ``pattern``.

    ``kind`` is ``EXPERIMENT``, which stands for all that lies in one too, or ``MODEL``.
    """

    kind: ObjectKind
    pattern: str


@dataclass(frozen=True, slots=True)
class Grant:
    """One thing that is allowed; ``None`` in a field stands for any."""

    action: Action | None
    family: str | None
    on: Narrowing | None = None
    upstream: str | None = None
    workspace: str | None = None


class GrantFromRole(NamedTuple):
    """A grant and the role that it comes from."""

    role: str
    grant: Grant


@dataclass(frozen=True, slots=True)
class Grants:
    """What the holder of a key may do, in the form in which ``headgate.policy`` is asked.

    Attributes:
        holder: what people call the key.
        roles: the roles it was given.
        missing: those of them that the configuration does not have.
        by_family: the grants that count for a family.
        everywhere: the actions that are allowed on all of a family, on every upstream.
        reads_all: whether everything that an operation can name may be read everywhere.
        ask_for: the role to ask for, by action and family, where there is one.
    """

    holder: str = ""
    roles: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    by_family: Mapping[str, tuple[GrantFromRole, ...]] = field(default_factory=dict, repr=False)
    everywhere: Mapping[str, tuple[Action, ...]] = field(default_factory=dict, repr=False)
    reads_all: bool = False
    ask_for: Mapping[tuple[Action, str], str] = field(default_factory=dict, repr=False)


NO_GRANTS: Final = Grants()


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends a request: the holder of one key.  The key tells one from another."""

    key_id: str
    name: str
    grants: Grants = field(default=NO_GRANTS, compare=False, repr=False)


class Endpoint(NamedTuple):
    """One address that serves an upstream."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Outcome:
    """How one request ended.  Exactly one exists for each request, whatever happened to it.

    Times are seconds; sizes are body bytes as they crossed the gate.  ``status`` is what the
    client was sent, 0 when it was sent nothing.  ``target`` is as the client wrote it, query
    included: whoever shows it leaves the query out, for there may be secrets in it.
    """

    __slots__ = (
        "attempts",
        "bytes_in",
        "bytes_out",
        "client",
        "detail",
        "duration",
        "endpoint",
        "family",
        "method",
        "phase",
        "principal",
        "reason",
        "request_id",
        "status",
        "target",
        "upstream_duration",
        "user_agent",
    )

    def __init__(
        self,
        reason: Reason,
        phase: Phase,
        status: int,
        method: bytes,
        target: bytes,
        family: str,
        principal: str,
        request_id: bytes,
        client: str,
        endpoint: str,
        duration: float,
        upstream_duration: float,
        bytes_in: int,
        bytes_out: int,
        attempts: int,
        user_agent: bytes,
        detail: str,
    ) -> None:
        self.reason: Final = reason
        self.phase: Final = phase
        self.status: Final = status
        self.method: Final = method
        self.target: Final = target
        self.family: Final = family
        self.principal: Final = principal
        self.request_id: Final = request_id
        self.client: Final = client
        self.endpoint: Final = endpoint
        self.duration: Final = duration
        self.upstream_duration: Final = upstream_duration
        self.bytes_in: Final = bytes_in
        self.bytes_out: Final = bytes_out
        self.attempts: Final = attempts
        self.user_agent: Final = user_agent
        self.detail: Final = detail
