"""``headgate park``, ``unpark``, ``read-only`` and ``gates`` ask a gate, and wait for all."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from headgate.cli import gate_api, main, maintaining
from headgate.errors import HeadgateError
from headgate.stores.maintenance import GateReport, UpstreamReport
from tests.unit.control.api.stand import OWN_GATE, Stand, sender

OTHER = "g_00000002"


@dataclass
class Scene:
    """The gate that is asked, and what the gates do at each look.

    Attributes:
        looks: how often an upstream was shown.
        on_look: called before each look with its number.
    """

    stand: Stand = field(default_factory=Stand)
    looks: int = 0
    on_look: Callable[[int], None] = lambda _: None
    asked: list[str] = field(default_factory=list)
    lost: str = ""
    """The end of the path of a request whose response is lost."""

    def exchange(
        self, method: str, target: str, fields: Mapping[str, str], body: bytes | None
    ) -> gate_api.Response:
        path = target.removeprefix("/-/api/v1/")
        if method == "GET" and path.startswith("upstreams/"):
            self.looks += 1
            self.on_look(self.looks)
        if method == "POST":
            self.asked.append(path)
        root = sender("admin", name="root", id_="p_root0001")
        reply = self.stand.ask(method, path, who=root, raw=body, headers=fields)
        if self.lost and path.endswith(self.lost):
            self.lost = ""
            raise HeadgateError("the gate has not responded within 30 seconds")
        return gate_api.Response(reply.status, reply.reason, reply.content)

    def report(
        self, gate: str, revision: int, state: str, in_flight: int = 0, writing: int = 0
    ) -> None:
        upstreams = {"default": UpstreamReport(revision, state, in_flight, 3, writing)}
        self.stand.maintenance.report(GateReport(gate, f"host-{gate}", "1.2.3", 2, upstreams))

    @property
    def revision(self) -> int:
        found = self.stand.maintenance.directives().get("default")
        return 0 if found is None else found.revision

    @property
    def is_parked(self) -> bool:
        found = self.stand.maintenance.directives().get("default")
        return found is not None and found.park is not None


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Two gates that follow within three looks."""
    made = Scene()
    made.report(OWN_GATE, 0, "serving")
    made.report(OTHER, 0, "serving")

    def follow(_look: int) -> None:
        made.report(OWN_GATE, made.revision, "parked" if made.is_parked else "serving")
        if made.looks >= 3:
            made.report(OTHER, made.revision, "parked" if made.is_parked else "serving")

    made.on_look = follow

    def exchange(
        _self: object, method: str, target: str, fields: Mapping[str, str], body: bytes | None
    ) -> gate_api.Response:
        return made.exchange(method, target, fields, body)

    monkeypatch.setattr(gate_api.HttpExchange, "__call__", exchange)
    monkeypatch.setattr(maintaining, "LOOK_SECONDS", 0.001)
    monkeypatch.setenv("HEADGATE_API_KEY", "hg_" + "a" * 49)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://gate.example")
    return made


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run_(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_


Run = Callable[..., tuple[int, str, str]]


def test_park_returns_once_every_gate_follows(scene: Scene, run: Run) -> None:
    code, out, err = run("park", "--max", "4m", "--sentence", "MLflow is upgraded")
    assert (code, err) == (0, "")
    assert out == (
        "upstream default is parked at 2 gates until 2027-01-15T08:04:00Z at the latest; 'headgate "
        "unpark' lets requests go on\n"
    )
    park = scene.stand.maintenance.directives()["default"].park
    assert park is not None
    assert (park.sentence, park.lease) == ("MLflow is upgraded", False)
    code, out, err = run("unpark")
    assert (code, out, err) == (0, "upstream default is unparked\n", "")
    assert run("unpark") == (0, "upstream default was not parked\n", "")


def test_one_document_for_programs(scene: Scene, run: Run) -> None:
    code, out, _ = run("park", "--json")
    shown = json.loads(out)
    assert (code, shown["ok"], shown["upstream"]["drained"]) == (0, True, True)
    code, out, _ = run("park", "--status", "--json")
    (default, _) = json.loads(out)["upstreams"]
    assert (code, default["state"]) == (0, "parked")
    assert scene.asked == ["upstreams/default/park"]


def test_a_gate_that_does_not_acknowledge_aborts_it(scene: Scene, run: Run) -> None:
    scene.on_look = lambda _: scene.report(OWN_GATE, scene.revision, "parked")
    code, out, err = run("park", "--ack-timeout", "1s")
    assert (code, out) == (1, "")
    assert err == (
        "headgate: upstream default is not parked: gate host-g_00000002 (g_00000002) has not "
        "acknowledged it within 1 s; if it is gone, remove it with 'headgate gates remove "
        "g_00000002', and if not, see its event log\n"
    )
    assert not scene.is_parked


def test_requests_that_stay_under_way_abort_it(scene: Scene, run: Run) -> None:
    def look(_: int) -> None:
        scene.report(OWN_GATE, scene.revision, "draining", in_flight=2)
        scene.report(OTHER, scene.revision, "parked")

    scene.on_look = look
    code, out, err = run("park", "--drain-timeout", "1s", "--json")
    assert code == 1
    assert "not parked: requests are still under way at MLflow after 1 s: 2 at gate host-" in err
    assert not json.loads(out)["ok"]
    assert not scene.is_parked


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_interrupts_the_wait_unparks(scene: Scene, run: Run, number: signal.Signals) -> None:
    def look(count: int) -> None:
        if count == 3:
            os.kill(os.getpid(), number)

    scene.on_look = look
    code, _, err = run("park")
    assert (code, err) == (1, "headgate: upstream default is not parked: interrupted\n")
    assert not scene.is_parked


def test_nothing_is_done_for_a_second_operator(scene: Scene, run: Run) -> None:
    assert run("park")[0] == 0
    code, _, err = run("park")
    assert code == 2
    assert re.fullmatch(
        "headgate: upstream default is parked by 'root' until 2027-01-15T08:04:00Z\n", err
    )
    assert scene.is_parked


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--max", "soon"], "'soon' is not a time"),
        (["--upstream", "nope"], "this gate has no such upstream; it has default, batch"),
        (["--sentence", "x" * 201], "'sentence': string should have at most 200 characters"),
    ],
)
def test_what_is_not_possible(scene: Scene, run: Run, arguments: list[str], problem: str) -> None:
    code, _, err = run("park", *arguments)
    assert code == 2
    assert problem in err
    assert err.count("\n") == 1
    assert not scene.is_parked


def test_a_park_whose_response_is_lost_is_taken_back(scene: Scene, run: Run) -> None:
    scene.lost = "/park"
    code, _, err = run("park")
    assert code == 2
    assert "has not responded" in err
    assert scene.asked == ["upstreams/default/park", "upstreams/default/unpark"]
    assert not scene.is_parked


def test_a_gate_that_cannot_be_asked_for_a_moment_is_asked_again(scene: Scene, run: Run) -> None:
    follow = scene.on_look

    def look(count: int) -> None:
        if count in {2, 3}:
            raise HeadgateError("cannot ask the gate: connection refused")
        follow(count)

    scene.on_look = look
    assert run("park")[0] == 0


def test_a_gate_that_cannot_be_asked_any_more(scene: Scene, run: Run) -> None:
    def look(count: int) -> None:
        if count >= 2:
            raise HeadgateError("cannot ask the gate: connection refused")

    scene.on_look = look
    scene.stand.maintenance.failure = None
    code, _, err = run("park", "--ack-timeout", "1s")
    assert code == 1
    assert "not parked: cannot ask the gate: connection refused" in err
    assert not scene.is_parked


def test_a_park_that_cannot_be_taken_back_says_when_it_ends(scene: Scene, run: Run) -> None:
    scene.on_look = lambda _: None
    scene.lost = "/unpark"
    code, _, err = run("park", "--ack-timeout", "1s")
    assert code == 1
    assert "that failed (the gate has not responded within 30 seconds)" in err
    assert "it ends by itself at 2027-01-15T08:04:00Z" in err


def test_a_park_that_somebody_ends_meanwhile(scene: Scene, run: Run) -> None:
    def look(count: int) -> None:
        if count == 2:
            scene.stand.ask("POST", "upstreams/default/unpark")

    scene.on_look = look
    code, _, err = run("park")
    assert code == 1
    assert "somebody has ended it meanwhile" in err


def test_unpark_of_a_lease_needs_force(scene: Scene, run: Run) -> None:
    scene.stand.ask("POST", "upstreams/default/park", {"seconds": 60, "lease": True})
    code, _, err = run("unpark")
    assert code == 2
    assert "end the park with force" in err
    assert run("unpark", "--force")[0] == 0
    assert not scene.is_parked


def test_an_unpark_that_a_gate_has_not_heard_of(scene: Scene, run: Run) -> None:
    assert run("park")[0] == 0
    scene.on_look = lambda _: scene.report(OWN_GATE, scene.revision, "releasing")
    code, _, err = run("unpark", "--ack-timeout", "1s")
    assert code == 1
    assert "is unparked, but not at every gate: gate host-g_00000002" in err


def test_read_only_waits_for_the_last_write(scene: Scene, run: Run) -> None:
    def look(count: int) -> None:
        scene.report(OWN_GATE, scene.revision, "serving", in_flight=2, writing=int(count < 4))
        scene.report(OTHER, scene.revision, "serving")

    scene.on_look = look
    code, out, err = run("read-only", "on", "--for", "30m", "--sentence", "backup")
    assert (code, err) == (0, "")
    assert out == "upstream default is read-only until 2027-01-15T08:30:00Z\n"
    assert scene.looks >= 4
    assert "read-only by root until 2027-01-15T08:30:00Z: backup" in run("park", "--status")[1]
    assert run("read-only", "off")[:2] == (0, "upstream default is not read-only any more\n")
    assert run("read-only", "off")[:2] == (0, "upstream default was not read-only\n")


def test_read_only_is_taken_back_where_writes_do_not_end(scene: Scene, run: Run) -> None:
    def look(_: int) -> None:
        scene.report(OWN_GATE, scene.revision, "serving", in_flight=1, writing=1)
        scene.report(OTHER, scene.revision, "serving")

    scene.on_look = look
    code, _, err = run("read-only", "on", "--drain-timeout", "1s")
    assert code == 1
    assert "upstream default is not read-only: requests are still under way" in err
    assert scene.stand.maintenance.directives()["default"].read_only is None


def test_read_only_that_others_count_on_is_not_taken_back(scene: Scene, run: Run) -> None:
    """A second command of the same principal, such as another backup, fails without harm to it."""
    assert run("read-only", "on", "--for", "1h", "--sentence", "backup")[0] == 0

    def look(_: int) -> None:
        scene.report(OWN_GATE, scene.revision, "serving", in_flight=1, writing=1)
        scene.report(OTHER, scene.revision, "serving")

    scene.on_look = look
    code, _, err = run("read-only", "on", "--drain-timeout", "1s")
    assert code == 1
    assert "was read-only before, and still is until" in err
    assert scene.stand.maintenance.directives()["default"].read_only is not None


def test_read_only_that_another_has_asked_for_meanwhile_is_not_ended(
    scene: Scene, run: Run
) -> None:
    def look(count: int) -> None:
        scene.report(OWN_GATE, scene.revision, "serving", writing=1)
        scene.report(OTHER, scene.revision, "serving")
        if count == 4:  # while the first command waits
            body = json.dumps({"on": True, "sentence": "another"}).encode()
            scene.stand.ask(
                "POST",
                "upstreams/default/read-only",
                who=sender("admin", name="root", id_="p_root0001"),
                raw=body,
                headers={"Content-Type": "application/json"},
            )

    scene.on_look = look
    code, _, err = run("read-only", "on")
    assert code == 1
    assert "it is so again, by 'root'" in err
    found = scene.stand.maintenance.directives()["default"].read_only
    assert found is not None
    assert found.sentence == "another"


def test_writes_that_a_gate_still_refuses_are_not_said_to_pass(scene: Scene, run: Run) -> None:
    scene.on_look = lambda _: None
    for gate in (OWN_GATE, OTHER):
        scene.report(gate, 1, "serving")
    assert run("read-only", "on")[0] == 0
    code, out, err = run("read-only", "off", "--ack-timeout", "1s", "--json")
    assert code == 1
    assert "is writable again, but not at every gate: gate host-" in err
    assert json.loads(out)["ok"] is False


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["park", "--max", "2h"], "'--max': '2h' is more than 1h"),
        (["read-only", "on", "--for", "2d"], "'--for': '2d' is more than 1d"),
    ],
)
def test_a_time_that_is_too_long_is_named_with_its_option(
    scene: Scene, run: Run, arguments: list[str], words: str
) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert words in err
    assert not scene.asked


def test_gates_are_listed_and_removed(scene: Scene, run: Run) -> None:
    code, out, _ = run("gates", "list")
    assert code == 0
    assert out.splitlines()[1].startswith(f"{OTHER}  host-{OTHER}  1.2.3, 2 workers, present, seen")
    code, out, _ = run("gates", "remove", OTHER)
    assert (code, out.startswith(f"removed {OTHER}  ")) == (0, True)
    code, _, err = run("gates", "remove", OTHER)
    assert (code, "no gate has that id" in err) == (2, True)
    (one,) = json.loads(run("gates", "list", "--json")[1])["gates"]
    assert one["id"] == OWN_GATE
    assert scene.looks == 0


@pytest.mark.parametrize(
    "arguments",
    [["park"], ["unpark"], ["read-only", "on"], ["read-only", "off"], ["gates", "list"]],
)
def test_a_gate_has_to_be_named(
    monkeypatch: pytest.MonkeyPatch, run: Run, arguments: list[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    code, _, err = run(*arguments)
    assert code == 2
    assert "which gate? name it with --url" in err
