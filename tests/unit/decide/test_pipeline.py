"""The order of decisions on a request, and what is remembered between requests."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field

import pytest

from headgate.auth.chain import AuthenticatorChain, Identified, Pending
from headgate.auth.refusals import ENDED, UNKNOWN
from headgate.config import Limits, Shields
from headgate.contract import Dialect
from headgate.dataplane.balancer import Balancer
from headgate.dataplane.decisions import (
    Authenticating,
    Caller,
    Decision,
    Forward,
    Inspect,
    Redirect,
    Refuse,
    Route,
)
from headgate.decide import pipeline as room
from headgate.decide import routing
from headgate.decide.authorise import Authoriser
from headgate.decide.pipeline import Pipeline
from headgate.decide.resolver import Resolver
from headgate.decide.routing import Router
from headgate.decide.senders import Senders
from headgate.errors import Refusal
from headgate.events import discard
from headgate.limits import Rate, Strangers, own_buckets
from headgate.model import NOBODY, AuthMethod, BodyHandling, Phase, Principal
from headgate.reasons import Reason
from headgate.shields import Shield
from headgate.testing.authenticators import ScriptedAuthenticator
from headgate.testing.clock import ManualClock
from headgate.testing.dialogue import Dialogue
from headgate.testing.policies import terms
from headgate.wire.request import Request, read_request
from headgate.wire.target import canonicalise

ALICE = Principal("k_00000001", "alice", AuthMethod.KEY)
BOB = Principal("k_00000002", "bob", AuthMethod.KEY)
HOST = "Host: gate.example"
KEY = "Authorization: Bearer alice"
RUNS = "/api/2.0/mlflow/runs/search"
CREATE = "/api/2.0/mlflow/runs/create"


def doorman() -> ScriptedAuthenticator:
    """Knows two people by their tokens."""
    return ScriptedAuthenticator({"alice": ALICE, "bob": BOB})


class Lenient(Authoriser):
    """Allows everything, and notes on what it was asked to decide."""

    def __init__(self) -> None:
        super().__init__(_no_resolver)
        self.asked: list[tuple[Route, bytes, Principal]] = []

    def authorise(
        self, request: Request, route: Route, query: bytes, principal: Principal
    ) -> Decision:
        self.asked.append((route, query, principal))
        return Forward(route, query, principal)

    def authorise_body(self, request: Request, asked: Inspect, body: bytes) -> Decision:
        return Refuse(Refusal(Reason.FORBIDDEN, body.decode()), Phase.AUTHORISE)


def _no_resolver(upstream: str) -> Resolver:
    raise AssertionError(upstream)


@dataclass
class Scene:
    """A pipeline with everything around it."""

    doorman: ScriptedAuthenticator = field(default_factory=doorman)
    clock: ManualClock = field(default_factory=ManualClock)
    authoriser: Lenient = field(default_factory=Lenient)
    main: Balancer = field(default_factory=lambda: Dialogue().balancer)
    other: Balancer = field(default_factory=lambda: Dialogue().balancer)
    control: Balancer = field(default_factory=lambda: Dialogue().balancer)
    prefixes: dict[str, str] = field(
        default_factory=lambda: {"": "main", "/mlflow": "main", "/mlflow/other": "other"}
    )
    caller: Caller = field(default_factory=lambda: Caller("192.0.2.1", "https"))

    def __post_init__(self) -> None:
        self.pipeline = Pipeline(
            AuthenticatorChain([self.doorman], self.clock),
            self.authoriser,
            Router(self.prefixes, Shield(Shields())),
            {"main": self.main, "other": self.other},
            self.control,
            Limits(),
        )

    def decide(self, line: str, *fields: str, last: Request | None = None) -> Decision:
        """The decision on a request; ``last`` is the one before."""
        return self.pipeline.decide(read(line, *fields, last=last), self.caller)

    def passes(self, line: str, *fields: str) -> Forward:
        """The decision on a request of alice's that must pass."""
        decision = self.decide(line, KEY, *fields)
        assert isinstance(decision, Forward), decision
        return decision

    def is_refused(self, line: str, *fields: str) -> tuple[Reason, Phase, str]:
        """How a request is refused: why, where, and to whom."""
        decision = self.decide(line, *fields)
        assert isinstance(decision, Refuse), decision
        return decision.refusal.reason, decision.phase, decision.principal.name


def read(line: str, *fields: str, last: Request | None = None) -> Request:
    """A parsed request; a ``Host`` among ``fields`` takes the place of the usual one."""
    hosts = () if any(each.startswith("Host:") for each in fields) else (HOST,)
    head = "\r\n".join((f"{line} HTTP/1.1", *hosts, *fields, "", ""))
    return read_request(head.encode("latin-1"), 100, last)


@pytest.fixture
def scene() -> Scene:
    return Scene()


# --- the order ---------------------------------------------------------------------------------


def test_a_request_that_passes_goes_where_it_was_decided_on(scene: Scene) -> None:
    decision = scene.passes(f"POST {RUNS}?a=1&a=2%2F..")
    route = decision.route
    assert (route.balancer, route.path, route.prefix) == (scene.main, RUNS.encode(), b"")
    assert (decision.query, decision.principal) == (b"?a=1&a=2%2F..", ALICE)
    assert route.operation.name == "runs/search"
    assert route.body_limit == Limits().body_bytes
    assert [query for _, query, _ in scene.authoriser.asked] == [b"?a=1&a=2%2F.."]


@pytest.mark.parametrize("target", ["//api", "/a/../b", "/%2fapi", "/api;x", "/api%00"])
def test_what_has_no_single_meaning_is_refused_before_anything_else(
    target: str, scene: Scene
) -> None:
    expected = (Reason.REQUEST_AMBIGUOUS, Phase.CANONICALISE, "")
    assert scene.is_refused(f"GET {target}") == expected
    assert len(scene.doorman.asked) == 0


@pytest.mark.parametrize("target", ["/nothing/here", RUNS, "/mlflow", "/"])
def test_a_stranger_learns_nothing_about_routes(target: str, scene: Scene) -> None:
    expected = (Reason.UNAUTHENTICATED, Phase.AUTHENTICATE, "")
    assert scene.is_refused(f"GET {target}", "Accept: text/html") == expected


def test_only_a_client_with_a_key_learns_that_a_route_is_unknown(scene: Scene) -> None:
    expected = (Reason.ROUTE_UNKNOWN, Phase.CLASSIFY, "alice")
    assert scene.is_refused("GET /nothing/here", KEY) == expected
    assert scene.is_refused(f"PATCH {CREATE}", KEY) == expected


def message_of(scene: Scene, line: str, *fields: str) -> str:
    decision = scene.decide(line, *fields)
    assert isinstance(decision, Refuse), decision
    return decision.refusal.message


@pytest.mark.parametrize("target", ["//api/2.0/x", "/mlflow//ajax-api/2.0/x", "//api/2.0/x?a=1"])
def test_a_final_slash_of_the_tracking_uri_is_named(target: str, scene: Scene) -> None:
    assert "the end of MLFLOW_TRACKING_URI" in message_of(scene, f"GET {target}")
    assert "MLFLOW_TRACKING_URI" not in message_of(scene, "GET /a//b")


@pytest.mark.parametrize(
    "line",
    [
        "GET /api/2.0/preview/mlflow/runs/get?run_id=1",
        "POST /mlflow/api/2.0/preview/mlflow/runs/create",
        "GET /ajax-api/2.0/mlflow/experiments/list",
        "GET /api/2.0/mlflow/registered-models/list",
    ],
)
def test_a_client_of_mlflow_1_hears_to_be_upgraded(line: str, scene: Scene) -> None:
    assert scene.is_refused(line, KEY) == (Reason.ROUTE_UNKNOWN, Phase.CLASSIFY, "alice")
    assert "Upgrade the client" in message_of(scene, line, KEY)
    assert scene.is_refused(line) == (Reason.UNAUTHENTICATED, Phase.AUTHENTICATE, "")
    assert "Upgrade" not in message_of(scene, "GET /api/2.0/mlflow/nothing/list", KEY)


@pytest.mark.parametrize("prefix", ["", "/mlflow"])
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (CREATE, (b"POST",)),
        ("/api/2.0/mlflow/runs/get", (b"GET", b"HEAD")),
        ("/api/2.0/mlflow/experiments/search", (b"GET", b"HEAD", b"POST")),
        ("/-/livez", (b"GET", b"HEAD")),
    ],
)
def test_another_method_gets_the_list_of_allowed_methods(
    path: str, allowed: tuple[bytes, ...], prefix: str, scene: Scene
) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        if method.encode() in allowed:
            continue
        decision = scene.decide(f"{method} {prefix}{path}", KEY)
        assert isinstance(decision, Refuse)
        assert (decision.refusal.code, decision.refusal.allow) == (405, allowed)
        stranger = scene.decide(f"{method} {prefix}{path}")
        nowhere = scene.decide(f"{method} /nothing")
        assert isinstance(stranger, Refuse)
        assert stranger == nowhere  # who has no key learns of no route


def test_a_body_is_for_the_authoriser_to_judge(scene: Scene) -> None:
    asked = Inspect(scene.passes(f"POST {CREATE}").route, b"", ALICE)
    request = read(f"POST {CREATE}", KEY)
    decision = scene.pipeline.decide_body(request, scene.caller, asked, b"the body")
    assert isinstance(decision, Refuse)
    assert decision.refusal.message == "the body"


# --- what anybody may see ----------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/-/livez", "/-/readyz", "/health/mlflow"])
def test_the_gates_own_pages_need_no_key(target: str, scene: Scene) -> None:
    decision = scene.decide(f"GET {target}")
    assert isinstance(decision, Forward)
    assert (decision.route.balancer, decision.principal) == (scene.control, NOBODY)
    assert len(scene.doorman.asked) == 0


@pytest.mark.parametrize(
    ("key", "principal"), [(KEY, ALICE), ("Authorization: Bearer mallory", NOBODY)]
)
def test_the_gates_own_pages_know_whether_the_key_is_valid(
    key: str, principal: Principal, scene: Scene
) -> None:
    decision = scene.decide("GET /-/health", key)
    assert isinstance(decision, Forward)
    assert decision.principal is principal


# --- prefixes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "upstream"), [("", "main"), ("/mlflow", "main"), ("/mlflow/other", "other")]
)
def test_a_prefix_is_taken_off_and_says_which_upstream(
    prefix: str, upstream: str, scene: Scene
) -> None:
    route = scene.passes(f"POST {prefix}{RUNS}").route
    assert (route.prefix, route.path) == (prefix.encode(), RUNS.encode())
    assert route.balancer is getattr(scene, upstream)


def test_a_prefix_ends_where_a_segment_ends(scene: Scene) -> None:
    assert scene.is_refused(f"POST /mlflows{RUNS}", KEY)[0] is Reason.ROUTE_UNKNOWN


def test_without_the_empty_prefix_only_prefixed_paths_lead_somewhere() -> None:
    scene = Scene(prefixes={"/mlflow": "main"})
    assert scene.passes(f"POST /mlflow{RUNS}").route.balancer is scene.main
    assert scene.is_refused(f"POST {RUNS}", KEY)[0] is Reason.ROUTE_UNKNOWN
    assert isinstance(scene.decide("GET /-/livez"), Forward)


def test_the_empty_prefix_alone() -> None:
    scene = Scene(prefixes={"": "main"})
    assert scene.passes(f"POST {RUNS}").route.prefix == b""
    assert scene.is_refused(f"POST /mlflow{RUNS}", KEY)[0] is Reason.ROUTE_UNKNOWN


def test_a_browser_at_a_prefix_is_sent_to_its_page(scene: Scene) -> None:
    """Relative links in MLflow's page need the slash."""
    decision = scene.decide("GET /mlflow?a=b", KEY, "Accept: text/html,*/*")
    assert decision == Redirect(b"/mlflow/?a=b")


def test_anybody_else_at_a_prefix_gets_what_is_there(scene: Scene) -> None:
    """The SDK must not be sent elsewhere."""
    decision = scene.passes("GET /mlflow?a=b", "Accept: */*")
    assert (decision.route.path, decision.query) == (b"/", b"?a=b")
    assert isinstance(scene.decide("GET /mlflow", KEY, "Accept: text/html"), Redirect)


# --- writes from pages of other sites ----------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        ("https://gate.example", True),
        ("http://gate.example", True),
        ("https://GATE.example", True),
        ("https://evil.example", False),
        ("https://gate.example.evil.example", False),
        ("https://gate.example:8443", False),
        ("https://gate.example/", False),
        ("null", False),
        ("", False),
        ("gate.example", False),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_only_the_gates_own_pages_may_write(
    method: str, origin: str, passes: bool, scene: Scene
) -> None:
    line = f"POST {CREATE}" if method == "POST" else "GET /api/2.0/mlflow/runs/get"
    for _ in range(2):  # the second time the route is known
        decision = scene.decide(line, KEY, f"Origin: {origin}")
        if passes or method == "GET":
            assert isinstance(decision, Forward)
        else:
            assert isinstance(decision, Refuse)
            assert (decision.refusal.reason, decision.phase) == (Reason.FORBIDDEN, Phase.AUTHORISE)
            assert decision.principal is ALICE


# --- what is remembered: who -------------------------------------------------------------------


def test_a_connection_that_repeats_its_fields_is_known(scene: Scene) -> None:
    first = read(f"POST {RUNS}", KEY)
    scene.pipeline.decide(first, scene.caller)
    for _ in range(3):
        again = read(f"POST {RUNS}", KEY, last=first)
        assert again.fields is first.fields
        decision = scene.pipeline.decide(again, scene.caller)
        assert isinstance(decision, Forward)
        assert decision.principal is ALICE
    assert len(scene.doorman.asked) == 1


def test_a_connection_that_says_little_else_is_known(scene: Scene) -> None:
    """The same key beside another length or trace context is the same key."""
    last: Request | None = None
    for length in range(3):
        request = read(f"POST {RUNS}", KEY, f"Content-Length: {length}", last=last)
        decision = scene.pipeline.decide(request, scene.caller)
        assert isinstance(decision, Forward)
        assert decision.principal is ALICE
        last = request
    assert len(scene.doorman.asked) == 1


def test_other_fields_are_looked_at_again(scene: Scene) -> None:
    first = read(f"POST {RUNS}", KEY)
    scene.pipeline.decide(first, scene.caller)
    decision = scene.decide(f"POST {RUNS}", "Authorization: Bearer bob", last=first)
    assert isinstance(decision, Forward)
    assert decision.principal is BOB
    decision = scene.decide(f"POST {RUNS}", last=first)
    assert isinstance(decision, Refuse)


def test_a_key_that_is_revoked_is_refused_on_open_connections_too(scene: Scene) -> None:
    first = read(f"POST {RUNS}", KEY)
    scene.pipeline.decide(first, scene.caller)
    scene.doorman.known.clear()
    scene.doorman.generation += 1
    decision = scene.pipeline.decide(first, scene.caller)
    assert isinstance(decision, Refuse)


def test_a_refusal_is_not_remembered(scene: Scene) -> None:
    """The key may be made a moment later, by a process whose generation is not seen yet."""
    first = read(f"POST {RUNS}", "Authorization: Bearer carol")
    assert isinstance(scene.pipeline.decide(first, scene.caller), Refuse)
    scene.doorman.known["carol"] = Principal("k_00000003", "carol", AuthMethod.KEY)
    assert isinstance(scene.pipeline.decide(first, scene.caller), Forward)


def test_an_identity_never_outlives_its_end(scene: Scene) -> None:
    """To the instant, on a connection that stays, and without a new generation."""
    end = scene.clock.now + 60
    scene.doorman.known["alice"] = Identified(ALICE, end)
    first = read(f"POST {RUNS}", KEY)
    assert isinstance(scene.pipeline.decide(first, scene.caller), Forward)
    scene.clock.advance(59.9)
    assert isinstance(scene.pipeline.decide(first, scene.caller), Forward)
    assert len(scene.doorman.asked) == 1
    scene.clock.now = end
    decision = scene.pipeline.decide(first, scene.caller)
    assert isinstance(decision, Refuse)
    assert (decision.refusal, decision.phase) == (ENDED, Phase.AUTHENTICATE)
    assert len(scene.doorman.asked) == 2


def test_an_identity_that_is_renewed_is_taken_up(scene: Scene) -> None:
    scene.doorman.known["alice"] = Identified(ALICE, scene.clock.now + 60)
    first = read(f"POST {RUNS}", KEY)
    scene.pipeline.decide(first, scene.caller)
    scene.clock.advance(60)
    scene.doorman.known["alice"] = Identified(ALICE, scene.clock.now + 60)
    for _ in range(2):
        assert isinstance(scene.pipeline.decide(first, scene.caller), Forward)
    assert len(scene.doorman.asked) == 2


# --- a sender that takes I/O to identify -------------------------------------------------------


def later(found: Identified | Refusal | None, scene: Scene, seconds: float = 0) -> Pending:
    """What an authenticator says that has to wait for ``seconds``."""

    async def resolve() -> Identified | Refusal | None:
        scene.clock.advance(seconds)
        return found

    return Pending(resolve)


def waits(scene: Scene, request: Request) -> bool:
    """Whether the decision takes I/O, which is not begun."""
    decision = scene.pipeline.decide(request, scene.caller)
    if isinstance(decision, Authenticating):
        decision.decision.close()
    return isinstance(decision, Authenticating)


def decided_later(scene: Scene, request: Request) -> Decision:
    decision = scene.pipeline.decide(request, scene.caller)
    assert isinstance(decision, Authenticating)
    return asyncio.run(decision.decision)


@pytest.mark.parametrize("line", [f"POST {RUNS}", "GET /-/health"])
def test_a_decision_waits_for_the_io_that_identifies_its_sender(line: str, scene: Scene) -> None:
    """And the identity is remembered, until its end."""
    end = scene.clock.now + 60
    scene.doorman.known["alice"] = later(Identified(ALICE, end), scene)
    request = read(line, KEY)
    decision = decided_later(scene, request)
    assert isinstance(decision, Forward)
    assert decision.principal is ALICE
    assert isinstance(scene.pipeline.decide(request, scene.caller), Forward)
    scene.clock.now = end
    assert waits(scene, request)


def test_what_changes_while_a_sender_is_identified_is_asked_again(scene: Scene) -> None:
    async def resolve() -> Identified:
        scene.doorman.generation += 1
        return Identified(ALICE, math.inf)

    scene.doorman.known["alice"] = Pending(resolve)
    request = read(f"POST {RUNS}", KEY)
    assert isinstance(decided_later(scene, request), Forward)
    assert waits(scene, request)


def test_a_sender_who_is_refused_late_is_refused_as_any_other(scene: Scene) -> None:
    scene.doorman.known["alice"] = later(UNKNOWN, scene)
    decision = decided_later(scene, read("GET /no/such/route", KEY))
    assert isinstance(decision, Refuse)
    assert (decision.refusal, decision.phase) == (UNKNOWN, Phase.AUTHENTICATE)
    public = decided_later(scene, read("GET /-/health", KEY))
    assert isinstance(public, Forward)
    assert public.principal is NOBODY


def test_an_identity_that_ends_while_it_is_waited_for_is_refused(scene: Scene) -> None:
    scene.doorman.known["alice"] = later(Identified(ALICE, scene.clock.now + 5), scene, 5)
    decision = decided_later(scene, read(f"POST {RUNS}", KEY))
    assert isinstance(decision, Refuse)
    assert decision.refusal == ENDED


def test_connections_know_nothing_of_each_other(scene: Scene) -> None:
    first = read(f"POST {RUNS}", KEY)
    scene.pipeline.decide(first, scene.caller)
    scene.doorman.known.clear()
    assert isinstance(scene.pipeline.decide(first, Caller("192.0.2.2", "https")), Refuse)


# --- what is remembered: where to --------------------------------------------------------------


@pytest.fixture
def placed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The targets that were canonicalised."""
    seen: list[bytes] = []

    def watched(target: bytes, host: bytes) -> object:
        seen.append(target)
        return canonicalise(target, host)

    monkeypatch.setattr(routing, "canonicalise", watched)
    return seen


@pytest.mark.patches
def test_a_route_is_found_once(scene: Scene, placed: list[bytes]) -> None:
    routes = {id(scene.passes(f"POST {RUNS}?{number}").route) for number in range(3)}
    assert (len(routes), placed) == (1, [f"{RUNS}?0".encode()])


@pytest.mark.patches
def test_every_spelling_is_looked_at(scene: Scene, placed: list[bytes]) -> None:
    spelled = RUNS.replace("runs", "%72uns")
    assert scene.passes(f"POST {RUNS}").route.path == RUNS.encode()
    assert scene.passes(f"POST {spelled}").route.path == RUNS.encode()
    assert scene.is_refused(f"PATCH {RUNS}", KEY)[0] is Reason.ROUTE_UNKNOWN
    assert len(placed) == 3


def test_a_fragment_is_refused_although_its_path_is_known(scene: Scene) -> None:
    scene.passes(f"POST {RUNS}")
    assert scene.is_refused(f"POST {RUNS}?a#b", KEY)[1] is Phase.CANONICALISE


@pytest.mark.patches
def test_an_absolute_target_is_not_remembered(scene: Scene, placed: list[bytes]) -> None:
    """What it means depends on the Host beside it."""
    target = f"http://gate.example{RUNS}"
    scene.passes(f"POST {target}?q")
    assert scene.passes(f"POST {target}?q").query == b"?q"
    assert placed == [f"{target}?q".encode()] * 2


@pytest.mark.patches
@pytest.mark.parametrize("target", ["/mlflow", "/"])
def test_what_depends_on_more_than_the_path_is_not_remembered(
    target: str, scene: Scene, placed: list[bytes]
) -> None:
    scene.passes(f"GET {target}")
    scene.passes(f"GET {target}")
    assert len(placed) == 2


@pytest.mark.patches
def test_no_more_than_so_much_is_remembered(
    scene: Scene, placed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Artifacts have names without end."""
    monkeypatch.setattr(room, "MAX_CACHED_ROUTES", 2)
    path = "/api/2.0/mlflow-artifacts/artifacts/file"
    for number in (1, 2, 3, 3, 1):
        scene.passes(f"GET {path}{number}")
    assert [target[-1:] for target in placed] == [b"1", b"2", b"3", b"1"]


@pytest.mark.patches
def test_long_paths_are_not_remembered(scene: Scene, placed: list[bytes]) -> None:
    """Anybody may ask for them, and for others each time."""
    path = "/api/2.0/mlflow-artifacts/artifacts/".ljust(room.MAX_CACHED_PATH, "x")
    for target in (path, path, f"{path}x", f"{path}x", f"{path}?{path}"):
        scene.passes(f"GET {target}")
    assert [len(target) - len(path) for target in placed] == [0, 1, 1]


def test_an_upstream_that_speaks_another_dialect_by_now_is_asked_in_it(scene: Scene) -> None:
    line = "GET /api/2.0/mlflow-artifacts/artifacts/file"
    assert scene.passes(line).route.path == b"/api/2.0/mlflow-artifacts/artifacts/file"
    scene.main.terms = terms(dialect=Dialect(version="3.17.2", base=b"/tracking"))
    assert scene.passes(line).route.path == b"/tracking/api/2.0/mlflow-artifacts/artifacts/file"


def test_what_the_upstream_is_too_old_for_is_refused(scene: Scene) -> None:
    new_route = "POST /ajax-api/3.0/jobs/"
    operation = scene.passes(new_route).route.operation
    assert operation.since > "3.0"
    scene.main.terms = terms(dialect=Dialect(version="3.0.0"))
    assert scene.is_refused(new_route, KEY)[:2] == (Reason.ROUTE_UNKNOWN, Phase.CLASSIFY)
    assert scene.is_refused(new_route)[:2] == (Reason.UNAUTHENTICATED, Phase.AUTHENTICATE)


def test_a_body_travels_as_the_upstreams_version_takes_it(scene: Scene) -> None:
    line = "PUT /api/2.0/mlflow-artifacts/artifacts/file"
    scene.main.terms = terms(dialect=Dialect(version="3.17.2"))
    assert scene.passes(line).route.body is BodyHandling.STREAM
    scene.main.terms = terms(dialect=Dialect(version="3.0.0"))
    assert scene.passes(line).route.body is BodyHandling.LENGTH


@pytest.fixture
def throttled(scene: Scene) -> Scene:
    """A scene in which one failed authentication of each address is enough."""
    strangers = Strangers(Rate(1e-3, 1), own_buckets().strangers, scene.clock, discard)
    scene.pipeline._senders = Senders(AuthenticatorChain([scene.doorman], scene.clock), strangers)
    return scene


def test_strangers_are_throttled_and_good_keys_are_not(throttled: Scene) -> None:
    wrong = "Authorization: Bearer wrong"
    first, *_ = throttled.is_refused("GET /version", wrong)
    assert first is not Reason.AUTH_THROTTLED
    again = throttled.is_refused("GET /version", wrong)
    assert again == (Reason.AUTH_THROTTLED, Phase.AUTHENTICATE, "")
    throttled.passes("GET /version")


def test_who_shows_no_key_is_not_throttled(throttled: Scene) -> None:
    reasons = [throttled.is_refused("GET /version")[0] for _ in range(3)]
    assert reasons == [Reason.UNAUTHENTICATED] * 3
