"""Places in shared memory: claimed once by whichever process comes first, and kept."""

from __future__ import annotations

import os
import signal

from hypothesis import given
from hypothesis import strategies as st

from headgate.telemetry.claims import Claims, UpstreamPlaces

records = st.lists(st.binary(min_size=1, max_size=4).filter(lambda each: each[-1] != 0))


def any_fits(_taken: object) -> bool:
    return True


@given(wanted=records)
def test_a_record_keeps_its_place_and_no_place_is_given_twice(wanted: list[bytes]) -> None:
    claims = Claims(5, 4)
    places = {each: claims.claim(each, any_fits) for each in wanted}
    distinct = list(dict.fromkeys(wanted))
    assert list(claims.records()) == distinct[:5]
    assert places == {each: at if (at := distinct.index(each)) < 5 else None for each in distinct}
    assert all(claims.claim(each, any_fits) == places[each] for each in wanted)


def die(_taken: object) -> bool:
    os.kill(os.getpid(), signal.SIGKILL)
    return False


def test_what_does_not_fit_gets_no_place_and_what_has_one_always_fits() -> None:
    claims = Claims(5, 4)
    assert claims.claim(b"a", any_fits) == 0
    assert claims.claim(b"b", lambda taken: len(taken) < 1) is None
    assert claims.claim(b"a", lambda _taken: False) == 0
    assert claims.claim(b"longer", any_fits) is None
    assert (claims.find(b"a"), claims.find(b"b")) == (0, None)


def test_processes_that_claim_at_the_same_time_agree() -> None:
    """Each of four claims the same forty records in an order of its own."""
    claims = Claims(40, 8)
    ready, go = os.pipe()
    reader, writer = os.pipe()
    pids = []
    for step in (1, 3, 7, 9):
        pid = os.fork()
        if pid == 0:
            os.read(ready, 1)
            own = [b"name-%02d" % (at * step % 40) for at in range(40)]
            places = {claims.claim(each, any_fits): each for each in own}
            same = [places[at] for at in range(40)] == list(claims.records())
            os.write(writer, b"1" if same and len(places) == 40 else b"0")
            os._exit(0)
        pids.append(pid)
    os.write(go, b"1234")
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
    assert os.read(reader, 4) == b"1111"
    assert len(set(claims.records())) == 40
    for each in (ready, go, reader, writer):
        os.close(each)


def test_a_process_that_is_killed_while_it_claims_blocks_no_other() -> None:
    claims = Claims(4, 8)
    pid = os.fork()
    if pid == 0:
        claims.claim(b"first", any_fits)
        claims.claim(b"second", die)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    assert claims.claim(b"third", any_fits) == 1
    assert list(claims.records()) == [b"first", b"third"]


def test_upstreams_beyond_the_places_share_one() -> None:
    places = UpstreamPlaces(2, "other")
    assert [places.place(each) for each in ("default", "prod", "third", "prod")] == [0, 1, 2, 1]
    assert places.names() == ["default", "prod"]


def test_an_upstream_that_is_called_other_shares_the_series_of_that_name() -> None:
    places = UpstreamPlaces(2, "other")
    assert places.place("other") == 2
    assert places.names() == []


def test_a_name_that_is_too_long_for_a_place_is_among_the_others() -> None:
    places = UpstreamPlaces(2, "other")
    assert places.place("n" * 300) == 2
    assert places.place("n" * 255) == 0
