"""What a request asks for: the operation, and the objects that it names."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from headgate.model.request_class import RequestClass


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


class Created(enum.Enum):
    """What an operation creates, of which the gate can tell afterwards whether it is there."""

    RUN = "run"
    LOGGED_MODEL = "logged-model"


class SizeClass(enum.Enum):
    """Which limit a request body is under."""

    API = "api"
    TRACES = "traces"
    ARTIFACTS = "artifacts"


@dataclass(frozen=True, slots=True)
class ResponsePolicy:
    """What the client may see of the responses to an operation.

    Attributes:
        cookies: their ``Set-Cookie`` passes.
        states_reason: their ``X-Headgate-Reason`` is the application's own and passes; otherwise
            it is dropped.
    """

    cookies: bool = False
    states_reason: bool = False


MLFLOW_RESPONSES: Final = ResponsePolicy()
GATE_RESPONSES: Final = ResponsePolicy(cookies=True, states_reason=True)


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
    """What a request asks for, in any spelling; ``public``: it needs no key.

    Attributes:
        any_key: every good key may do it, whatever it was granted.
        body: how MLflow's newest known version takes the body; ``headgate.contract.body_handling``
            says it for any version.
        static: its responses are files, equal for all clients, and sent compressed.
        json_only: MLflow responds to it with JSON or with an empty body, and with nothing else.
        name: of the route, such as ``runs/create``; the methods of one route share it.
        also: further families that ``action`` must be allowed on.
        decides_by_body: the body says which objects it acts on.
        path: the pattern below ``/api/2.0`` and the like, or the whole one if it begins with ``/``.
        mounts: the parts before ``path`` at which some MLflow has it, such as ``/ajax-api/3.0``.
        since: the oldest known version that has the route; empty for the gate's own.
        not_in: the newest known version that has not got it yet; empty if all have it.
        native_since: the oldest known version that serves it from FastAPI; empty if none does.
        otlp: it is a request of the OpenTelemetry protocol, not of MLflow's own.
        ends_in_artifact: its path ends in the path of an artifact.
        gate_page: Headgate itself serves it, whatever an MLflow has at the path.
        response_policy: what the client may see of its responses.
        request_class: whose rate it is held to; none for what has no rate.
        writes: MLflow may change its database or its artifact store for it.
        creates: what it makes, where one that is repeated is reconciled; none elsewhere.
    """

    family: str
    retry: Retry
    body: BodyHandling
    size: SizeClass = SizeClass.API
    public: bool = False
    static: bool = False
    json_only: bool = False
    name: str = ""
    action: Action = Action.ADMINISTER
    also: tuple[str, ...] = ()
    objects: tuple[ObjectField, ...] = ()
    decides_by_body: bool = False
    path: str = ""
    mounts: tuple[str, ...] = ()
    since: str = ""
    not_in: str = ""
    native_since: str = ""
    otlp: bool = False
    ends_in_artifact: bool = False
    gate_page: bool = False
    response_policy: ResponsePolicy = MLFLOW_RESPONSES
    any_key: bool = False
    request_class: RequestClass | None = None
    writes: bool = True
    creates: Created | None = None

    def route(self, canonical: bytes) -> str:
        """The pattern of a canonical path, such as ``/api/2.0/mlflow/runs/get``."""
        for mount in self.mounts:
            if mount and canonical.startswith(f"{mount}/".encode()):
                return f"{mount}/{self.path}"
        return self.path
