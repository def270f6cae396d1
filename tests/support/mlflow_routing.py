"""Asks the installed MLflow which of its routes a request would reach.

A program of its own, since importing MLflow's server warns, logs and sets global state.  It reads
lines of ``METHOD path`` and prints, for each, a line of JSON: the pattern of the route and whether
FastAPI serves it, or null.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

from mlflow.server.fastapi_app import app
from starlette.routing import Match, Mount
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect


def reached(native: list[Any], rules: Any, method: str, path: str) -> tuple[str, bool] | None:
    """The route that answers: FastAPI tries its own in order, then hands on to Flask."""
    decoded = unquote(path)
    scope = {"type": "http", "method": method, "path": decoded, "headers": [], "root_path": ""}
    for route in native:
        if route.matches(dict(scope))[0] is Match.FULL:
            return route.path, True
    try:
        rule, _ = rules.match(decoded, method=method, return_rule=True)
    except (HTTPException, RequestRedirect):
        return None
    pattern = rule.rule.replace("{", "%7B").replace("}", "%7D")
    pattern = re.sub(r"<path:(\w+)>", r"{\1:path}", pattern)
    return re.sub(r"<(\w+)>", r"{\1}", pattern), False


def unrolled(routes: Iterable[Any]) -> Iterator[Any]:
    """The routes; FastAPI unrolls included routers when a request comes."""
    for route in routes:
        if hasattr(route, "effective_candidates"):
            yield from unrolled(route.effective_candidates())
        elif not isinstance(route, Mount):
            yield route


def main() -> None:
    """Answer every line of the input."""
    (mount,) = [route for route in app.routes if isinstance(route, Mount)]
    flask_app: Any = getattr(mount.app, "app", None)
    rules = flask_app.url_map.bind("localhost")
    native = list(unrolled(app.routes))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(reached(native, rules, *line.split())) + "\n")


if __name__ == "__main__":
    main()
