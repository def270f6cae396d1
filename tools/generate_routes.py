"""Writes down every HTTP route of the MLflow that is installed beside the interpreter it runs on.

    path/to/an/environment/bin/python tools/generate_routes.py [FOLDER]

writes ``mlflow-VERSION.json`` into FOLDER, by default where Headgate reads such files.  It
installs nothing: make an environment with the wanted version first, for instance

    uv venv /tmp/mlflow-2.22.5
    uv pip install --python /tmp/mlflow-2.22.5/bin/python 'mlflow==2.22.5' 'sqlalchemy<2.1'

(MLflow before 3.17 does not start with SQLAlchemy 2.1).  Sources: the rules of the Flask
application, those that the ``basic-auth`` application adds, the routes of the FastAPI application
around them, and for names and fields the services of MLflow's protocol buffers.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import types
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parents[1] / "src/headgate/contract/data"
SERVICES = (
    ("mlflow.protos.service_pb2", "MlflowService"),
    ("mlflow.protos.model_registry_pb2", "ModelRegistryService"),
    ("mlflow.protos.mlflow_artifacts_pb2", "MlflowArtifactsService"),
    ("mlflow.protos.webhooks_pb2", "WebhookService"),
)
BASES = ("/api", "/ajax-api")
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
PREFIX = "/static-prefix"  # to see what of MLflow's own --static-prefix moves
BARE = "--bare"
MAX_DEPTH = 5  # of messages within messages; the deepest identifier stands in the fifth

IDENTIFIERS = {
    "artifact_directory_path": "path",
    "artifact_location": "location",
    "artifact_path": "path",
    "dataset_id": "dataset",
    "default_artifact_root": "location",
    "experiment_id": "experiment",
    "experiment_ids": "experiment",
    "experiment_name": "experiment-name",
    "model_id": "logged-model",
    "path": "path",
    "request_id": "trace",
    "request_ids": "trace",
    "run_id": "run",
    "run_ids": "run",
    "run_uuid": "run",
    "source_run_id": "run",
    "trace_id": "trace",
    "trace_ids": "trace",
    "workspace_name": "workspace",
}
"""The fields of request messages that name an object, by their last name, with its kind."""

IDENTIFIERS_OF = {
    ("ModelRegistryService", "name"): "model",
    ("ModelRegistryService", "new_name"): "model",
    ("ModelRegistryService", "source"): "location",
    ("MlflowService.createWorkspace", "name"): "workspace",
    ("MlflowService.createWorkspace", "trace_archival_config.location"): "location",
    ("MlflowService.updateWorkspace", "trace_archival_config.location"): "location",
    ("MlflowService.linkPromptsToTrace", "prompt_versions[].name"): "model",
}
"""The same for names that mean this in one service or call only."""


class Call(NamedTuple):
    """A call of MLflow's protocol buffers: its name, and the fields of its request."""

    name: str
    fields: tuple[str, ...]
    objects: tuple[tuple[str, str], ...]


class Route(NamedTuple):
    """A method and a path that MLflow answers; ``at``: the part of the path before ``path``."""

    path: str
    at: str
    method: str
    served_by: str
    app: str
    call: Call
    reads: Reads

    @property
    def whole(self) -> tuple[str, str]:
        """The method, and the path with all of its parts."""
        return self.method, f"{self.at}/{self.path}" if self.at else self.path


NO_CALL = Call("", (), ())


class Reads(NamedTuple):
    """What a handler reads: names from the query, names from the body, and a message by name."""

    query: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    message: str = ""


NOTHING_READ = Reads()


def main(arguments: list[str]) -> int:
    """Write the file; the exit code."""
    if arguments == [BARE]:
        with tempfile.TemporaryDirectory() as scratch:
            _prepare_environment(Path(scratch), static_prefix=PREFIX)
            json.dump(sorted({route.whole for route in routes(None)}), sys.stdout)
        return 0
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        sys.stderr.write("usage: python tools/generate_routes.py [FOLDER]\n")
        return 2
    folder = Path(*arguments) if arguments else FOLDER
    version = importlib.import_module("importlib.metadata").version("mlflow")
    with tempfile.TemporaryDirectory() as scratch:
        _prepare_environment(Path(scratch))
        messages = importlib.import_module("mlflow_messages").Messages()
        text = document(version, list(routes(messages)), bare(), messages)
    file = folder / f"mlflow-{version}.json"
    file.write_text(text, encoding="utf-8")
    sys.stderr.write(f"wrote {file}\n")
    return 0


def bare() -> set[tuple[str, str]]:
    """The methods and paths that a ``--static-prefix`` leaves where they are.

    MLflow reads it when it is imported, so another process has to look.
    """
    command = [sys.executable, __file__, BARE]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603  this file
    return {
        (method, path)
        for method, path in json.loads(found.stdout)
        if not path.startswith(f"{PREFIX}/")
    }


def document(
    version: str, found: Iterable[Route], fixed: set[tuple[str, str]], messages: Any
) -> str:
    """The file's text: JSON with one route a line, sorted, so that versions can be compared."""
    lines = ",\n".join(json.dumps(record) for record in _records(found, fixed))
    sections = [f'"mlflow": "{version}", "routes": [\n{lines}\n]']
    for name, table in (("messages", messages.messages), ("enums", messages.enums)):
        lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(table[key])}" for key in sorted(table))
        sections.append(f'"{name}": {{\n{lines}\n}}')
    return f"{{{', '.join(sections)}}}\n"


def _records(found: Iterable[Route], fixed: set[tuple[str, str]]) -> Iterator[dict[str, object]]:
    """The routes as records; spellings and methods of one thing stand in one record."""
    places: dict[Route, set[tuple[str, bool]]] = {}
    for route in found:
        place = (route.at, route.whole in fixed)
        places.setdefault(route._replace(at=""), set()).add(place)
    methods: dict[tuple[Route, tuple[tuple[str, bool], ...]], set[str]] = {}
    for route, found_at in places.items():
        key = (route._replace(method=""), tuple(sorted(found_at)))
        methods.setdefault(key, set()).add(route.method)
    for route, at in sorted(methods):
        yield _record(route, at, sorted(methods[route, at]))


def _record(
    route: Route, places: tuple[tuple[str, bool], ...], methods: Sequence[str]
) -> dict[str, object]:
    """One line; ``bare``: the places that a ``--static-prefix`` leaves where they are."""
    every = {
        "path": route.path,
        "at": [place for place, _ in places if place],
        "methods": methods,
        "served_by": route.served_by,
        "bare": [place for place, is_bare in places if is_bare],
        "app": route.app,
        "rpc": route.call.name,
        "fields": route.call.fields,
        "objects": dict(route.call.objects),
        "message": route.reads.message,
        "query": route.reads.query,
        "body": route.reads.body,
    }
    return {name: value for name, value in every.items() if value}


def routes(messages: Any) -> Iterator[Route]:
    """Every route, once; of two that match the same requests the one that answers.

    ``messages`` takes in the types of messages that they read; without it, none of that is.
    """
    calls = dict(_calls())
    native = {(route.at, route.path, route.method): route for route in _native_routes()}
    yield from native.values()
    for rule, methods, app, handler in _flask_rules():
        at, path = _split(_pattern(rule))
        reads = NOTHING_READ if messages is None or app else _reads(handler, messages)
        for method in METHODS & methods:
            if (at, path, method) not in native:
                call = calls.get((at, path, method), NO_CALL)
                yield Route(path, at, method, "flask", app, call, reads)


def _reads(handler: Any, messages: Any) -> Reads:
    """What a handler of Flask's reads."""
    found = importlib.import_module("mlflow_handlers").hand_read(handler)
    message = messages.add(found.message) if found.message is not None else ""
    return Reads(found.query, found.body, message)


def _split(pattern: str) -> tuple[str, str]:
    match = re.fullmatch(r"(/(?:ajax-)?api/\d\.\d)/(.+)", pattern)
    return (match[1], match[2]) if match else ("", pattern)


def _pattern(rule: str) -> str:
    """A Flask rule in the notation of FastAPI; braces that a rule holds stand for themselves."""
    rule = rule.replace("{", "%7B").replace("}", "%7D")
    rule = re.sub(r"<path:(\w+)>", r"{\1:path}", rule)
    return re.sub(r"<(\w+)>", r"{\1}", rule)


# --- Flask ---------------------------------------------------------------------------------


def _flask_rules() -> Iterator[tuple[str, frozenset[str], str, Any]]:
    """Rule, methods, the application that adds it if it is not the usual one, and its handler."""
    app = importlib.import_module("mlflow.server").app
    usual = _rules_of(app)
    yield from ((*rule, "", handler) for rule, handler in usual.items())
    importlib.import_module("mlflow.server.auth").create_app(app)
    for rule, handler in _rules_of(app).items():
        if rule not in usual:
            yield (*rule, "basic-auth", handler)


def _rules_of(app: Any) -> dict[tuple[str, frozenset[str]], Any]:
    """The rules with their handlers: of two that are alike, Flask asks the first."""
    found: dict[tuple[str, frozenset[str]], Any] = {}
    for rule in app.url_map.iter_rules():
        key = rule.rule, frozenset(rule.methods)
        found.setdefault(key, app.view_functions[rule.endpoint])
    return found


def _prepare_environment(scratch: Path, *, static_prefix: str = "") -> None:
    """Settings of MLflow's for this process: none of the user's, and a store for ``basic-auth``.

    Its password and key protect a data base that is removed when the process ends.
    """
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "_MLFLOW_"))]:
        del os.environ[name]
    settings = scratch / "basic_auth.ini"
    settings.write_text(
        "[mlflow]\n"
        "default_permission = READ\n"
        f"database_uri = sqlite:///{scratch / 'basic_auth.db'}\n"
        "admin_username = nobody\n"
        "admin_password = of no use to anybody\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n",
        encoding="utf-8",
    )
    os.environ |= {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        "MLFLOW_AUTH_ADMIN_PASSWORD": "of no use to anybody",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "of no use to anybody",
    }
    if static_prefix:
        os.environ["_MLFLOW_STATIC_PREFIX"] = static_prefix
    if importlib.util.find_spec("flask_wtf") is None:
        sys.modules["flask_wtf"] = types.ModuleType("flask_wtf")
        sys.modules["flask_wtf.csrf"] = _NoProtection("flask_wtf.csrf")


class _NoProtection(types.ModuleType):
    """In the place of Flask-WTF, without which ``basic-auth`` refuses to be imported."""

    class CSRFProtect:
        """Protects nothing: nobody sends a request."""

        def init_app(self, app: object) -> None:
            """As Flask's extensions have it."""


# --- FastAPI -------------------------------------------------------------------------------


def _native_routes() -> Iterator[Route]:
    if importlib.util.find_spec("mlflow.server.fastapi_app") is None:
        return
    app = importlib.import_module("mlflow.server.fastapi_app").app
    for route in _effective(app.routes):
        if hasattr(route, "dependant"):  # the mount of the Flask application has none
            at, path = _split(route.path)
            call = Call("", _native_fields(route.dependant), ())
            query = tuple(sorted(field.alias for field in _query_fields(route.dependant)))
            for method in METHODS & route.methods:
                yield Route(path, at, method, "native", "", call, Reads(query))


def _effective(found: Iterable[Any]) -> Iterator[Any]:
    """Newer FastAPI keeps an included router as one route until a request comes."""
    for route in found:
        yield from (
            route.effective_candidates() if hasattr(route, "effective_candidates") else (route,)
        )


def _native_fields(dependant: Any) -> tuple[str, ...]:
    """What such a route reads: headers as ``name:``, the rest by its name."""
    headers = (f"{field.alias.lower()}:" for field in dependant.header_params)
    query = (field.alias for field in _query_fields(dependant))
    bodies = (field.field_info.annotation for field in dependant.body_params)
    body = (name for model in bodies for name in getattr(model, "model_fields", ()))
    return tuple(sorted({*headers, *query, *body}))


def _query_fields(dependant: Any) -> Iterator[Any]:
    """The parameters of the query, those of a route's dependencies included."""
    yield from dependant.query_params
    for inner in dependant.dependencies:
        yield from _query_fields(inner)


# --- protocol buffers ----------------------------------------------------------------------


def _calls() -> Iterator[tuple[tuple[str, str, str], Call]]:
    """The calls by the routes that lead to them."""
    rpc = importlib.import_module("mlflow.protos.databricks_pb2").rpc
    for module, service in SERVICES:
        if importlib.util.find_spec(module) is None:
            continue
        for method in getattr(importlib.import_module(module), service).DESCRIPTOR.methods:
            call = _call(service, method)
            for endpoint, base in itertools.product(
                method.GetOptions().Extensions[rpc].endpoints, BASES
            ):
                # As MLflow mounts it: the version is that of the API, not of the package.
                rule = re.sub(r"{(?:\w+\.)?(\w+)}", r"<\1>", endpoint.path)
                at, path = _split(_pattern(f"{base}/{endpoint.since.major}.0{rule}"))
                yield (at, path, endpoint.method), call


def _call(service: str, method: Any) -> Call:
    name = f"{service}.{method.name}"
    fields = tuple(field.name for field in method.input_type.fields)
    objects = tuple(
        (path, kind)
        for path in _field_paths(method.input_type)
        if (kind := _kind(service, name, path))
    )
    return Call(name, fields, objects)


def _kind(service: str, call: str, path: str) -> str:
    for scope in (call, service):
        if (scope, path) in IDENTIFIERS_OF:
            return IDENTIFIERS_OF[scope, path]
    return IDENTIFIERS.get(path.removesuffix("[]").rpartition(".")[2], "")


def _field_paths(message: Any, within: str = "", depth: int = 1) -> Iterator[str]:
    """The fields of a message and of those in it, dotted; ``[]`` follows a repeated one."""
    is_repeated = importlib.import_module("mlflow_messages").is_repeated
    for field in message.fields:
        path = within + field.name + ("[]" if is_repeated(field) else "")
        if field.message_type is None:
            yield path
        elif depth < MAX_DEPTH:
            yield from _field_paths(field.message_type, f"{path}.", depth + 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
