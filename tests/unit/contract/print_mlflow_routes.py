"""Prints every route of the installed MLflow server as JSON.

A program of its own, since importing MLflow's server warns, logs and sets global state.  Each
route is ``[pattern, example, methods]``: a regular expression for its paths, one of them, and
the methods it takes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from mlflow.server.fastapi_app import app as fastapi_app
from starlette.routing import Mount, compile_path

Route = tuple[str, str, list[str]]


def flask_routes(flask_app: Any) -> Iterator[Route]:
    """What ``add_url_rule`` was called with, MLflow's own mistakes included."""
    for rule in flask_app.url_map.iter_rules():
        path = re.sub(r"<path:(\w+)>", r"{\1:path}", rule.rule)
        yield described(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path), rule.methods)


def native_routes(routes: Iterable[Any]) -> Iterator[Route]:
    """Routes that FastAPI serves itself; included routers are unrolled lazily by FastAPI."""
    for route in routes:
        if hasattr(route, "effective_candidates"):
            yield from native_routes(route.effective_candidates())
        elif not isinstance(route, Mount):
            yield described(route.path, route.methods)


def described(path: str, methods: Iterable[str]) -> Route:
    pattern, _, _ = compile_path(path)
    example = re.sub(r"\{\w+:path\}", "some/deep/name", path)
    return pattern.pattern, re.sub(r"\{\w+\}", "1", example), sorted(methods)


def main() -> None:
    """Print both tables."""
    (mount,) = [route for route in fastapi_app.routes if isinstance(route, Mount)]
    flask = list(flask_routes(mount.app.app))  # type: ignore[attr-defined]  # MLflow's WSGI bridge
    json.dump({"flask": flask, "native": list(native_routes(fastapi_app.routes))}, sys.stdout)


if __name__ == "__main__":
    main()
