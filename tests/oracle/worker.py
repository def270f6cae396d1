"""Says what the handlers of an MLflow read in requests: JSON lines in, JSON lines out.

It runs by the interpreter that has that MLflow, and imports nothing of Headgate.  Each line in is
a list of requests (``method``, ``target``, ``headers``, ``body`` in Latin-1); each line out is a
list of what became of them:

``reached``: the handler has asked a store for something, or has come to its end.  If not, MLflow
has refused the request, with ``status``, before it touched anything.
``path``, ``query``, ``body``: what it read there: parameters of the path, values by the name of a
parameter, values by the dotted path of a field.
``calls``: what it asked of the store, as text.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from typing import Any

STORES = (
    "_get_tracking_store",
    "_get_model_registry_store",
    "_get_job_store",
    "_get_artifact_repo_mlflow_artifacts",
    "_get_trace_artifact_repo",
    "_get_trace_archive_repo",
    "_get_artifact_repository_for_uri",
    "_get_artifact_repo",
)


class Asked(BaseException):
    """A handler has asked a store for something: it has read what it reads."""


class Store:
    """Stands for every store: whatever is asked of it ends the request."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def ask(*args: Any, **kwargs: Any) -> None:
            raise Asked(f"{name} {args!r} {kwargs!r}")

        return ask


class Read:
    """What one request's handler has read so far."""

    def __init__(self) -> None:
        self.path: dict[str, str] = {}
        self.query: dict[str, list[str]] = {}
        self.body: dict[str, list[Any]] = {}
        self.in_message = 0  # what is read to fill a message counts when the message is filled


NOW = Read()


class Body(dict[str, Any]):
    """A parsed body that notes what is read of it."""

    def get(self, name: str, default: Any = None) -> Any:
        if name in self:
            _note_body(name, self[name])
        return super().get(name, default)

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        _note_body(name, value)
        return value


def _note_body(name: str, value: Any) -> None:
    values = value if isinstance(value, list) else [value]
    NOW.body[name] = [each for each in values if isinstance(each, str | int)]


def main() -> int:
    """Serve until the input ends."""
    os.environ["_MLFLOW_SERVER_SERVE_ARTIFACTS"] = "true"
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.environ["MLFLOW_SERVER_ALLOWED_HOSTS"] = "*"
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # MLflow's own chatter is no response
    app = importlib.import_module("mlflow.server").app
    app.request_class = _request_class()
    _instrument(importlib.import_module("mlflow.server.handlers"))
    native = _native_routes()
    out.write(json.dumps({"version": importlib.import_module("mlflow").__version__}) + "\n")
    out.flush()
    for line in sys.stdin:
        told = [_handle(app, native, request) for request in json.loads(line)]
        out.write(json.dumps(told) + "\n")
        out.flush()
    return 0


def _store(*_args: Any, **_kwargs: Any) -> Store:
    return Store()


def _instrument(handlers: Any) -> None:
    """Have handlers note what messages they fill, and stop at stores."""
    for name in STORES:
        if hasattr(handlers, name):
            setattr(handlers, name, _store)
    original = handlers._get_request_message

    def get_request_message(message: Any, *args: Any, **kwargs: Any) -> Any:
        NOW.in_message += 1
        try:
            filled = original(message, *args, **kwargs)
        finally:
            NOW.in_message -= 1
        _note_message(filled, "")
        return filled

    handlers._get_request_message = get_request_message


def _request_class() -> Any:
    """A class of requests that note what handlers read by themselves."""
    flask = importlib.import_module("flask")
    structures = importlib.import_module("werkzeug.datastructures")

    class Parameters(structures.ImmutableMultiDict):  # type: ignore[misc, name-defined]
        """The parameters of a query; notes what is read of them."""

        def get(self, key: str, default: Any = None, type: Any = None) -> Any:  # noqa: A002
            self._note(key)
            return super().get(key, default, type)

        def getlist(self, key: str, type: Any = None) -> Any:  # noqa: A002
            self._note(key)
            return super().getlist(key, type)

        def __getitem__(self, key: str) -> Any:
            self._note(key)
            return super().__getitem__(key)

        def to_dict(self, flat: bool = True) -> Any:
            found = super().to_dict(flat)
            return found if flat else Lists(found)

        def _note(self, key: str) -> None:
            if key in self and not NOW.in_message:
                NOW.query[key] = super().getlist(key)

    class Lists(dict):  # type: ignore[type-arg]
        """The same, once it is made a dictionary of lists."""

        def get(self, key: str, default: Any = None) -> Any:
            if key in self:
                NOW.query[key] = list(self[key])
            return super().get(key, default)

    class Request(flask.Request):  # type: ignore[misc, name-defined]
        """Notes what a handler reads by itself."""

        parameter_storage_class = Parameters

        def get_json(self, *args: Any, **kwargs: Any) -> Any:
            parsed = super().get_json(*args, **kwargs)
            return Body(parsed) if isinstance(parsed, dict) and not NOW.in_message else parsed

        @property
        def json(self) -> Any:
            return self.get_json()

    return Request


def _note_message(message: Any, path: str) -> None:
    """Note every scalar field that is set, by its path; a repeated one by ``[]``."""
    for field, value in message.ListFields():
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        if is_map:
            continue
        repeated = not isinstance(value, str | bytes) and hasattr(value, "append")
        repeated = repeated or hasattr(value, "add")
        place = f"{path}{field.name}{'[]' if repeated else ''}"
        for each in value if repeated else [value]:
            if field.message_type is not None:
                _note_message(each, f"{place}.")
            elif isinstance(each, str):
                NOW.body.setdefault(place, []).append(each)


def _native_routes() -> list[tuple[str, Any]]:
    """The routes of FastAPI, each with what its paths begin with."""
    if importlib.util.find_spec("mlflow.server.fastapi_app") is None:
        return []
    app = importlib.import_module("mlflow.server.fastapi_app").app
    found: list[Any] = []
    for route in app.routes:
        if hasattr(route, "effective_candidates"):
            found += route.effective_candidates()
        else:
            found.append(route)
    return [(route.path.partition("{")[0], route) for route in found if hasattr(route, "dependant")]


def _handle(app: Any, native: list[tuple[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    global NOW  # noqa: PLW0603  one request at a time
    NOW = Read()
    path, _, query = request["target"].partition("?")
    decoded = importlib.import_module("urllib.parse").unquote(path)
    scope = {"type": "http", "method": request["method"], "path": decoded, "headers": []}
    scope |= {"root_path": "", "query_string": query.encode("latin-1")}
    for start, route in native:
        if not decoded.startswith(start):
            continue
        match, child = route.matches(scope)
        if match.value == 2:
            NOW.path = {name: str(each) for name, each in child["path_params"].items()}
            return _told(200, "native", reached=True)
    body = request["body"].encode("latin-1")
    environ = {
        "REQUEST_METHOD": request["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": decoded.encode("utf-8").decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": importlib.import_module("io").BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request["headers"]:
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    return _run(app, environ)


def _run(app: Any, environ: dict[str, Any]) -> dict[str, Any]:
    status: list[int] = []

    def start_response(line: str, headers: Any, exc_info: Any = None) -> None:
        status.append(int(line[:3]))

    with app.request_context(environ) as context:
        NOW.path = dict(context.request.view_args or {})
        try:
            response = app.full_dispatch_request()
        except Asked as asked:
            return _told(0, str(asked), reached=True)
        except Exception as error:  # noqa: BLE001  whatever a handler raises, it has refused
            return _told(500, f"{type(error).__name__}: {error}", reached=False)
        return _told(response.status_code, "", reached=response.status_code < 400)


def _told(status: int, calls: str, *, reached: bool) -> dict[str, Any]:
    read = {"path": NOW.path, "query": NOW.query, "body": NOW.body}
    return {"reached": reached, "status": status, "calls": calls, **read}


if __name__ == "__main__":
    sys.exit(main())
