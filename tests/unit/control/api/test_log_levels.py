"""Log levels through the admin API."""

from __future__ import annotations

import pytest

from headgate.events import LogLevelSet
from headgate.telemetry.log_control import MODULES
from tests.unit.control.api.stand import GATEKEEPER, NOW, VIEWER, Stand


def levels(body: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {each["module"]: each["level"] for each in body["modules"]}


def test_all_modules_are_shown_at_their_usual_level() -> None:
    reply = Stand().ask("GET", "log-levels", who=VIEWER)
    assert (reply.status, reply.reason) == (200, "ok")
    assert levels(reply.body) == dict.fromkeys(MODULES, "info")


def test_a_level_is_set_for_a_while_and_who_did_it_is_an_event() -> None:
    stand = Stand()
    body = {"module": "auth", "level": "debug", "seconds": 60}
    reply = stand.ask("POST", "log-levels", body, who=GATEKEEPER)
    (auth,) = [each for each in reply.body["modules"] if each["module"] == "auth"]
    assert auth["level"] == "debug"
    assert auth["ends_at"].startswith("2027-01-15T08:0")
    assert NOW == 1_800_000_000
    assert stand.events == [LogLevelSet("auth", "debug", 60.0, "greta", "p_greta001", "k_greta001")]


def test_one_module_is_reset_or_all() -> None:
    stand = Stand()
    for module in ("auth", "routing", "cluster"):
        stand.ask("POST", "log-levels", {"module": module, "level": "debug"})
    reply = stand.ask("POST", "log-levels/reset", {"module": "auth"})
    assert [each for each, level in levels(reply.body).items() if level == "debug"] == [
        "cluster",
        "routing",
    ]
    reply = stand.ask("POST", "log-levels/reset", {"module": "all"})
    assert set(levels(reply.body).values()) == {"info"}
    assert isinstance(stand.events[-1], LogLevelSet)
    assert stand.events[-1].module == "all"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"module": "mlflow", "level": "debug"}, "there is no such module"),
        ({"module": "auth", "level": "trace"}, "level"),
        ({"module": "auth", "level": "debug", "seconds": 0}, "seconds"),
        ({"module": "auth", "level": "debug", "seconds": 86_401}, "seconds"),
        ({"level": "debug"}, "'module' is missing"),
    ],
)
def test_what_there_is_not_is_refused(body: dict[str, object], words: str) -> None:
    stand = Stand()
    reply = stand.ask("POST", "log-levels", body)
    assert (reply.status, reply.reason) == (400, "request_invalid")
    assert words in reply.body["message"]
    assert stand.events == []


@pytest.mark.parametrize("path", ["log-levels", "log-levels/reset"])
def test_a_viewer_changes_no_level_even_if_the_gate_let_the_request_pass(path: str) -> None:
    stand = Stand()
    body = {"module": "auth"} | ({} if path.endswith("reset") else {"level": "debug"})
    reply = stand.ask("POST", path, body, who=VIEWER)
    assert (reply.status, reply.reason) == (403, "forbidden")
    assert stand.events == []
