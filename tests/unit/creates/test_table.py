"""Who may have what: creates under way, in doubt, claimed, given out."""

from __future__ import annotations

import pytest

from headgate.creates import (
    IN_DOUBT_SECONDS,
    KEPT_BYTES,
    PLACES,
    BusyError,
    Claim,
    CreateTable,
    Place,
    Response,
    Standing,
    Verdict,
)
from tests.support.create_memory import KilledError, Processes

D = b"d" * 32
OTHER = b"o" * 32
LINES = b"Content-Type: application/json\r\n"


def response(made: str, size: int = 0) -> Response:
    return Response(200, LINES, made.encode() + b" " * size)


@pytest.fixture
def processes() -> Processes:
    return Processes()


@pytest.fixture
def one(processes: Processes) -> CreateTable:
    return processes.start()[1]


@pytest.fixture
def two(processes: Processes, one: CreateTable) -> CreateTable:
    return processes.start()[1]


def begun(table: CreateTable, digest: bytes = D) -> Place:
    place = table.begin(digest)
    assert place is not None
    return place


def claimed(table: CreateTable, digest: bytes = D) -> Claim:
    claim = table.claim(digest)
    assert claim is not None
    return claim


def give(table: CreateTable, made: str, digest: bytes = D) -> None:
    """Send a create whose client takes the response."""
    place = begun(table, digest)
    table.keep(place, response(made), made)
    assert table.write(place)
    table.written(place)


def lost(table: CreateTable, digest: bytes = D) -> None:
    """Send a create to which MLflow does not respond."""
    table.abandon(begun(table, digest))


def test_a_create_whose_client_is_there_cannot_be_claimed(
    one: CreateTable, two: CreateTable
) -> None:
    place = begun(one)
    assert two.standing(D, 0.0) is Standing.UNDER_WAY
    assert two.claim(D) is one.claim(D) is None
    one.keep(place, response("r"), "r")
    assert two.claim(D) is None
    one.write(place)
    assert two.claim(D) is None
    one.written(place)
    assert two.claim(D) is None
    assert two.standing(D, 0.0) is Standing.NONE


def test_a_process_must_have_seen_what_its_clients_did(
    processes: Processes, one: CreateTable, two: CreateTable
) -> None:
    """What came while it was kept from running it sees after its first report at the earliest."""
    begun(one)
    for table in (one, two):
        assert table.standing(D, one.now) is Standing.UNSETTLED
    since = one.now
    for expected in (Standing.UNSETTLED, Standing.UNDER_WAY, Standing.UNDER_WAY):
        processes.clock.advance(0.02)
        assert one.report()
        assert two.standing(D, since) is expected
    assert two.standing(D, one.now) is Standing.UNSETTLED


def test_a_claim_is_of_the_client_of_the_process_that_has_claimed_it(
    processes: Processes, one: CreateTable, two: CreateTable
) -> None:
    lost(one)
    claimed(two)
    for table in (one, one, two):
        processes.clock.advance(0.02)
        table.report()
    since = 0.01
    assert one.standing(D, since) is Standing.UNSETTLED
    two.report()
    assert one.standing(D, since) is Standing.UNDER_WAY


def test_a_process_without_creates_has_nothing_to_report(one: CreateTable) -> None:
    assert not one.report()
    for end in (one.abandon, one.forget, one.written, one.unwritten):
        place = begun(one)
        assert one.report()
        end(place)
        assert not one.report(), end
        one.forget(place)
    place = begun(one)
    one.leave(place)
    assert one.report()
    one.keep(place, response("r"), "r")
    assert not one.report()
    claim = claimed(one)
    assert one.report()
    one.release(claim)
    assert not one.report()
    one.lapse(claimed(one), may_exist=True)
    assert not one.report()


def test_the_response_of_a_client_that_left_can_be_claimed_once(
    one: CreateTable, two: CreateTable
) -> None:
    place = begun(one)
    one.leave(place)
    one.keep(place, response("r"), "r")
    assert two.standing(D, 0.0) is Standing.CLAIMABLE
    claim = claimed(two)
    assert two.response(claim) == response("r")
    assert one.claim(D) is two.claim(D) is None
    two.release(claim)
    assert one.response(claimed(one)) == response("r")


def test_another_digest_is_another_create(one: CreateTable) -> None:
    place = begun(one)
    one.leave(place)
    one.keep(place, response("r"), "r")
    assert one.claim(OTHER) is None


def test_a_claim_waits_for_the_process_that_has_sent_it(one: CreateTable, two: CreateTable) -> None:
    place = begun(one)
    one.leave(place)
    claim = claimed(two)
    assert two.is_under_way(claim)
    assert two.response(claim) is None
    one.keep(place, response("r"), "r")
    assert not two.is_under_way(claim)
    assert two.response(claim) == response("r")


def test_who_has_half_left_gets_no_response_that_was_claimed(one: CreateTable) -> None:
    """The claim may be of the same process."""
    place = begun(one)
    one.leave(place)
    claim = claimed(one)
    one.keep(place, response("r"), "r")
    assert not one.write(place)
    assert one.write(claim.place, claimed=True)


@pytest.mark.parametrize("state", ["sent", "kept"])
def test_a_create_of_a_process_that_is_killed_is_in_doubt(
    processes: Processes, two: CreateTable, state: str
) -> None:
    slot, third = processes.start()
    place = begun(third)
    if state == "kept":
        third.keep(place, response("r"), "r")
    assert two.claim(D) is None
    processes.kill(slot)
    claim = claimed(two)
    assert not two.is_under_way(claim)
    assert (two.response(claim) is not None) is (state == "kept")


def test_a_slot_that_is_used_again_does_not_bring_back_the_dead(processes: Processes) -> None:
    slot, table = processes.start()
    begun(table)
    processes.kill(slot)
    again, successor = processes.start()
    assert again == slot
    claimed(successor)


def test_a_claim_of_a_process_that_is_killed_is_free(
    processes: Processes, one: CreateTable
) -> None:
    lost(one)
    slot, third = processes.start()
    claimed(third)
    assert one.claim(D) is None
    processes.kill(slot)
    claimed(one)


@pytest.mark.parametrize("left", [False, True])
def test_a_process_is_killed_while_it_writes_the_response(
    processes: Processes, one: CreateTable, left: bool
) -> None:
    """The client may have it, unless it had ended its side before."""
    slot, third = processes.start()
    place = begun(third)
    if left:
        third.leave(place)
    third.keep(place, response("r"), "r")
    third.write(place)
    assert one.standing(D, 0.0) is (Standing.UNSETTLED if left else Standing.UNDER_WAY)
    processes.kill(slot)
    claim = one.claim(D)
    assert (claim is not None) is left
    lost(one)
    assert one.join(claimed(one), [("r", response("r"))]) is Verdict.NONE


@pytest.mark.parametrize("lost_by", ["client", "mlflow"])
def test_a_worker_killed_while_it_writes_one_that_came_again_has_given_it(
    processes: Processes, one: CreateTable, lost_by: str
) -> None:
    """The client that came again may have it, whatever became of the one before."""
    place = begun(one)
    if lost_by == "client":
        one.leave(place)
        one.keep(place, response("r"), "r")
    else:
        one.abandon(place)
    slot, other = processes.start()
    claim = claimed(other)
    if lost_by == "mlflow":
        assert other.join(claim, [("r", response("r"))]) is Verdict.JOINED
    other.write(claim.place, claimed=True)
    processes.kill(slot)
    assert one.claim(D) is None


@pytest.mark.parametrize("writes", range(6))
def test_a_worker_killed_before_it_writes_one_that_came_again_leaves_it_in_doubt(
    processes: Processes, one: CreateTable, writes: int
) -> None:
    place = begun(one)
    one.leave(place)
    one.keep(place, response("r"), "r")
    slot, other = processes.start()
    claim = claimed(other)
    processes.memory.writes = writes
    try:
        other.write(claim.place, claimed=True)
    except KilledError:
        processes.kill(slot)
        assert one.response(claimed(one)) == response("r")
    processes.memory.writes = None


def test_a_client_that_left_in_the_middle_of_it_can_have_it_again(one: CreateTable) -> None:
    place = begun(one)
    one.keep(place, response("r"), "r")
    one.write(place)
    one.unwritten(place)
    assert one.response(claimed(one)) == response("r")


def test_a_response_that_is_too_long_is_looked_for_in_mlflow(one: CreateTable) -> None:
    place = begun(one)
    long = response("r", KEPT_BYTES)
    one.keep(place, long, "r")
    one.write(place)
    one.unwritten(place)
    claim = claimed(one)
    assert one.response(claim) is None
    assert one.join(claim, [("r", response("r"))]) is Verdict.JOINED


def test_the_longest_response_that_is_kept(one: CreateTable) -> None:
    place = begun(one)
    longest = response("r", KEPT_BYTES - len(LINES) - 1)
    one.keep(place, longest, "r")
    one.leave(place)
    assert one.response(claimed(one)) == longest


def test_what_mlflow_refused_is_in_nobody_s_doubt(one: CreateTable) -> None:
    place = begun(one)
    one.leave(place)
    claim = claimed(one)
    one.forget(place)
    assert not one.stands(claim)
    assert one.claim(D) is None


def test_mlflow_failed(one: CreateTable) -> None:
    one.abandon(begun(one), status=503)
    assert claimed(one).failed


# --- what MLflow has ---------------------------------------------------------------------------


def test_the_one_run_that_nobody_has_is_joined(one: CreateTable) -> None:
    give(one, "a")
    lost(one)
    claim = claimed(one)
    found = [("a", response("a")), ("b", response("b"))]
    assert one.join(claim, found) is Verdict.JOINED
    assert one.response(claim) == response("b")


def test_each_claim_gets_a_run_of_its_own(one: CreateTable, two: CreateTable) -> None:
    lost(one)
    lost(one)
    found = [("a", response("a")), ("b", response("b"))]
    claims = claimed(one), claimed(two)
    assert one.join(claims[0], found) is two.join(claims[1], found) is Verdict.JOINED
    assert {one.response(claims[0]), two.response(claims[1])} == {response("a"), response("b")}


def test_a_run_that_is_kept_for_another_is_not_joined(one: CreateTable) -> None:
    place = begun(one)
    one.leave(place)
    one.keep(place, response("a"), "a")
    lost(one)
    first, second = claimed(one), claimed(one)  # the one that is kept, and the one that is not
    assert one.response(first) == response("a")
    assert one.join(second, [("a", response("a"))]) is Verdict.NONE


def test_nothing_is_joined_while_one_alike_is_under_way(one: CreateTable, two: CreateTable) -> None:
    """Any of the runs may be its."""
    place = begun(two)
    lost(one)
    claim = claimed(one)
    assert one.join(claim, [("a", response("a"))]) is Verdict.OPEN
    two.keep(place, response("a"), "a")
    two.write(place)
    two.written(place)
    assert one.join(claim, [("a", response("a"))]) is Verdict.NONE


def test_more_runs_than_creates_in_doubt_cannot_be_told_apart(one: CreateTable) -> None:
    lost(one)
    found = [("a", response("a")), ("b", response("b"))]
    assert one.join(claimed(one), found) is Verdict.SEVERAL


def test_a_claim_that_came_to_nothing_is_no_longer_in_doubt(one: CreateTable) -> None:
    lost(one)
    one.lapse(claimed(one), may_exist=False)
    assert one.claim(D) is None
    assert one.standing(D, 0.0) is Standing.NONE


def test_a_run_of_a_claim_that_came_to_nothing_is_not_somebody_else_s(one: CreateTable) -> None:
    """It is one more that nobody has: those that wait for theirs can have it."""
    lost(one)
    lost(one)
    first, second = claimed(one), claimed(one)
    found = [(each, response(each)) for each in ("a", "b")]
    one.lapse(first, may_exist=True)
    assert one.join(second, [*found, ("c", response("c"))]) is Verdict.SEVERAL
    assert one.join(second, found) is Verdict.JOINED


def test_a_claim_that_lapsed_is_still_counted_when_mlflow_has_responded(
    one: CreateTable, two: CreateTable
) -> None:
    place = begun(two)
    two.leave(place)
    one.lapse(claimed(one), may_exist=True)
    lost(one)
    claim, found = claimed(one), [(each, response(each)) for each in ("a", "b")]
    assert one.join(claim, found) is Verdict.OPEN
    two.keep(place, response("a"), "a")
    assert one.join(claim, found) is Verdict.JOINED
    assert one.claim(D) is None


def test_a_claim_lapses_while_its_create_is_under_way(
    processes: Processes, one: CreateTable
) -> None:
    slot, third = processes.start()
    place = begun(third)
    third.leave(place)
    one.lapse(claimed(one), may_exist=False)
    assert one.claim(D) is None
    third.keep(place, response("r"), "r")
    assert one.standing(D, 0.0) is Standing.NONE
    place = begun(third)
    third.leave(place)
    one.lapse(claimed(one), may_exist=False)
    processes.kill(slot)
    for _ in range(PLACES):  # what it has left makes room
        begun(one, OTHER)


# --- bounds ------------------------------------------------------------------------------------


def test_a_create_is_in_doubt_for_a_quarter_of_an_hour(
    processes: Processes, one: CreateTable
) -> None:
    lost(one)
    processes.clock.advance(IN_DOUBT_SECONDS + 1)
    assert one.claim(D) is None


def test_the_oldest_in_doubt_makes_room(processes: Processes, one: CreateTable) -> None:
    for number in range(PLACES):
        lost(one, b"%032d" % number)
        processes.clock.advance(0.01)
    begun(one)
    assert one.evicted == 1
    assert one.claim(b"%032d" % 0) is None
    claimed(one, b"%032d" % 1)


def test_what_is_under_way_makes_no_room(one: CreateTable) -> None:
    for _ in range(PLACES):
        begun(one)
    assert one.begin(OTHER) is None
    assert one.evicted == 0


def test_a_place_that_went_to_another_is_not_changed(one: CreateTable) -> None:
    place = begun(one)
    one.abandon(place)
    for _ in range(PLACES):
        begun(one, OTHER)
    one.keep(place, response("r"), "r")
    one.leave(place)
    one.written(place)
    assert one.standing(OTHER, 0.0) is Standing.UNDER_WAY
    assert one.claim(D) is one.claim(OTHER) is None


def test_while_another_process_is_stopped_within_its_turn(
    processes: Processes, one: CreateTable
) -> None:
    """What needs a turn is to be tried again; what can wait is done in the next."""
    lost(one)
    place = begun(one)
    processes.lock.stuck = True
    with pytest.raises(BusyError):
        one.claim(D)
    with pytest.raises(BusyError):
        one.begin(D)
    assert one.standing(D, 0.0) is Standing.UNSETTLED
    one.keep(place, response("r"), "r")
    assert one.write(place)
    one.written(place)
    assert one.report()
    processes.lock.stuck = False
    assert not one.report()
    assert one.join(claimed(one), [("r", response("r"))]) is Verdict.NONE


def test_nobody_may_write_what_another_is_perhaps_claiming(
    processes: Processes, one: CreateTable, two: CreateTable
) -> None:
    place = begun(one)
    one.leave(place)
    processes.lock.stuck = True
    one.keep(place, response("r"), "r")
    assert not one.write(place)
    processes.lock.stuck = False
    one.report()
    assert two.response(claimed(two)) == response("r")


@pytest.mark.parametrize("write", range(12))
def test_a_process_is_killed_at_any_write(
    processes: Processes, one: CreateTable, write: int
) -> None:
    """What it was about to do is done or not, and the others go on."""
    slot, third = processes.start()
    processes.memory.writes, processes.memory.words = write, 1
    is_with_client = False
    try:
        place = begun(third)
        third.keep(place, response("r"), "r")
        third.write(place)
        is_with_client = True
        third.written(place)
    except KilledError:
        processes.kill(slot)
    processes.memory.writes = None
    claim = one.claim(D)
    if claim is None:
        lost(one)
        claim = claimed(one)
    kept = one.response(claim)
    verdict = Verdict.JOINED if kept else one.join(claim, [("r", response("r"))])
    is_as_good_as_written = write == 9  # the last change before the response is written
    given = is_with_client or is_as_good_as_written
    assert verdict is (Verdict.NONE if given else Verdict.JOINED)
