"""An operation is put as the upstream at hand wants it, or refused with what that one lacks."""

from __future__ import annotations

import pytest

from headgate.contract import (
    Dialect,
    TranslatedRequest,
    body_handling,
    classify,
    lacks,
    translate,
    with_static_prefix,
)
from headgate.errors import Refusal
from headgate.model import BodyHandling, Operation
from headgate.reasons import Reason

LENGTH, STREAM = BodyHandling.LENGTH, BodyHandling.STREAM
FILE = "/api/2.0/mlflow-artifacts/artifacts/1/r/artifacts/a"


def operation(method: str, path: str) -> Operation:
    found = classify(method.encode(), path.encode())
    assert found is not None
    return found


def translated(method: str, path: str, dialect: Dialect) -> TranslatedRequest | Refusal:
    return translate(method.encode(), operation(method, path), path.encode(), dialect)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("POST", "/api/2.0/mlflow/runs/create"),
        ("GET", "/ajax-api/2.0/mlflow/runs/get"),
        ("GET", "/get-artifact"),
        ("GET", FILE),
    ],
)
@pytest.mark.parametrize("base", [b"", b"/mlflow", b"/a/b"])
def test_below_the_base_all_stays_as_it_is(method: str, path: str, base: bytes) -> None:
    response = translated(method, path, Dialect("3.17.2", base))
    assert isinstance(response, TranslatedRequest)
    assert response.path == base + path.encode()


@pytest.mark.parametrize(
    ("method", "path", "version", "body"),
    [
        ("PUT", FILE, "", LENGTH),
        ("PUT", FILE, "2.22.1", LENGTH),
        ("PUT", FILE, "3.14.0", LENGTH),
        ("PUT", FILE, "3.15.0", STREAM),
        ("PUT", FILE, "3.17.2", STREAM),
        ("PUT", FILE, "4.0.0.dev0", STREAM),
        ("DELETE", FILE, "3.17.2", LENGTH),
        ("POST", "/v1/traces", "3.4.0", STREAM),
        ("POST", "/ajax-api/3.0/jobs/search", "3.17.2", STREAM),
        ("POST", "/gateway/chat/mlflow/invocations", "3.9.0", STREAM),
        ("POST", "/api/2.0/mlflow/runs/log-batch", "3.17.2", LENGTH),
        ("PUT", FILE, "no version", LENGTH),
    ],
)
def test_a_body_travels_as_the_version_takes_it(
    method: str, path: str, version: str, body: BodyHandling
) -> None:
    """Flask, which served all of 2.x, loses chunked bodies behind uvicorn."""
    assert body_handling(operation(method, path), version) is body
    response = translated(method, path, Dialect(version))
    assert isinstance(response, TranslatedRequest)
    assert response.body is body


def test_a_head_is_sent_as_the_get_that_it_asks_about() -> None:
    for dialect in (Dialect("3.17.2"), with_static_prefix("3.17.2", b"/p")):
        assert translated("HEAD", FILE, dialect) == translated("GET", FILE, dialect)


@pytest.mark.parametrize(
    ("version", "method", "path", "moved"),
    [
        ("2.22.1", "GET", "/ajax-api/2.0/mlflow/runs/get", True),
        ("2.22.1", "GET", "/get-artifact", True),
        ("2.22.1", "GET", "/api/2.0/mlflow/runs/get", False),
        ("2.22.1", "HEAD", "/api/2.0/mlflow/runs/get", False),
        ("3.11.1", "POST", "/api/3.0/mlflow/traces", False),
        ("3.11.1", "POST", "/v1/traces", False),
        ("3.12.0", "POST", "/api/3.0/mlflow/traces", True),
        ("3.14.0", "POST", "/v1/traces", False),
        ("3.14.0", "PUT", FILE, True),
        ("3.15.2", "PUT", FILE, False),
        ("3.15.2", "GET", "/ajax-api/3.0/jobs/1", False),
        ("3.15.2", "GET", "/api/3.0/mlflow/mcp-servers/a/b", True),
        ("3.16.1", "POST", "/v1/traces", True),
        ("3.17.2", "GET", FILE, False),
        ("3.17.2", "PUT", FILE, False),
        ("3.17.2", "HEAD", FILE, False),
        ("3.17.2", "DELETE", FILE, True),
        ("3.17.2", "GET", "/", True),
        ("9.0.0", "PUT", FILE, False),  # as in the newest that is known
        ("", "PUT", FILE, False),
        ("1.30.0", "GET", "/api/2.0/mlflow/runs/get", False),
    ],
)
def test_a_static_prefix_moves_what_the_version_moves(
    version: str, method: str, path: str, moved: bool
) -> None:
    response = translated(method, path, with_static_prefix(version, b"/p"))
    assert isinstance(response, TranslatedRequest)
    assert response.path.decode() == (f"/p{path}" if moved else path)


def test_below_any_other_base_are_all_routes() -> None:
    """Another proxy put it there, and knows nothing of MLflow's own prefix."""
    assert translated("PUT", FILE, Dialect("3.17.2", b"/p")) == TranslatedRequest(
        b"/p" + FILE.encode(), STREAM
    )


@pytest.mark.parametrize(
    ("apis", "path", "sent"),
    [
        ({b"api"}, "/ajax-api/2.0/mlflow/runs/get", b"/api/2.0/mlflow/runs/get"),
        ({b"api"}, "/api/2.0/mlflow/runs/get", b"/api/2.0/mlflow/runs/get"),
        ({b"ajax-api"}, "/api/2.0/mlflow/runs/get", b"/ajax-api/2.0/mlflow/runs/get"),
        ({b"ajax-api"}, "/get-artifact", b"/get-artifact"),
        ({b"api"}, "/version", b"/version"),
        (set(), "/version", b"/version"),
    ],
)
def test_the_api_that_is_answered_is_asked(apis: set[bytes], path: str, sent: bytes) -> None:
    response = translated("GET", path, Dialect("3.17.2", b"/p", apis=frozenset(apis)))
    assert isinstance(response, TranslatedRequest)
    assert response.path == b"/p" + sent


def test_what_only_the_page_has_is_not_asked_of_the_api() -> None:
    response = translated(
        "GET", "/ajax-api/3.0/jobs/1", Dialect("3.17.2", apis=frozenset({b"api"}))
    )
    assert isinstance(response, Refusal)
    assert response.reason is Reason.ROUTE_UNKNOWN
    assert "jobs/get" in response.message
    assert "/ajax-api" in response.message


@pytest.mark.parametrize("version", ["2.22.1", "2.22.5", "2.9.0", "2.22.6rc1"])
def test_what_a_server_of_2_lacks_is_refused_with_both_versions(version: str) -> None:
    response = translated("POST", "/api/3.0/mlflow/traces", Dialect(version))
    assert response == Refusal(
        Reason.ROUTE_UNKNOWN,
        "Headgate did not forward the request: this route (traces/start) needs MLflow 3.x; the "
        f"server runs {version}.",
    )


@pytest.mark.parametrize("api", ["/api", "/ajax-api"])
def test_what_a_server_of_2_has_as_2_0_alone_is_refused_as_3_0(api: str) -> None:
    """It answers the same call below 2.0."""
    path = "/mlflow/traces/tr-1/tags"
    new = translated("PATCH", f"{api}/3.0{path}", Dialect("2.22.1"))
    assert isinstance(new, Refusal)
    assert "(traces/set-tag) needs MLflow 3.x; the server runs 2.22.1." in new.message
    old = f"{api}/2.0{path}"
    assert translated("PATCH", old, Dialect("2.22.1")) == TranslatedRequest(old.encode(), LENGTH)
    for version in ("3.0.0", ""):
        assert isinstance(
            translated("PATCH", f"{api}/3.0{path}", Dialect(version)), TranslatedRequest
        )


def test_what_nobody_has_as_3_0_is_no_route() -> None:
    """No MLflow would answer it."""
    assert classify(b"GET", b"/api/3.0/mlflow/runs/get") is None


def test_what_a_server_of_3_lacks_is_refused_with_both_versions() -> None:
    response = translated("GET", "/api/3.0/mlflow/skills", Dialect("3.17.0"))
    assert isinstance(response, Refusal)
    assert response.message.endswith(
        "(skills/search) needs an MLflow newer than 3.17.2; the server runs 3.17.0."
    )


@pytest.mark.parametrize(
    ("path", "version", "lacking"),
    [
        ("/api/2.0/mlflow/runs/get", "1.30.0", False),  # no version without it is known
        ("/api/3.0/mlflow/traces/get", "", False),
        ("/api/3.0/mlflow/traces/get", "3.4.0", True),
        ("/api/3.0/mlflow/traces/get", "3.4.9", True),
        ("/api/3.0/mlflow/traces/get", "3.5.0", False),  # neither known to have it nor not to
        ("/api/3.0/mlflow/traces/get", "3.9.0", False),
        ("/-/livez", "2.22.1", False),
    ],
)
def test_only_what_is_known_to_be_missing_is_missed(path: str, version: str, lacking: bool) -> None:
    """MLflow's own 404 is as good a response where nothing is known."""
    assert lacks(operation("GET", path), version) is lacking
