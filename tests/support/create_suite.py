"""What every store of shared creates does: one suite for all of them.

A module that tests an implementation has a subclass of ``CreateStoreSuite``, and a fixture
``open_store`` that opens one store once more at each call, as another gate does.
"""

from __future__ import annotations

import random
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from headgate.creates import Response, Verdict
from headgate.creates.shared import Look, Progress, Row, RowState
from headgate.stores.creates import (
    Answer,
    CreateStore,
    Doubt,
    Enter,
    Forget,
    Give,
    Keep,
    Note,
    Operation,
    Release,
    TakeBack,
    Written,
)
from headgate.testing.create_store import MemoryCreateStore

A, B = "a.1", "b.1"
MADE, OTHER = b"made-of-one.", b"made-another"
RESPONSE = Response(200, b"Content-Type: application/json\r\n", b'{"run": "\xc3\xbc"}')
OpenCreates = Callable[[], CreateStore]


def fresh() -> tuple[int, bytes]:
    """A row's id and a digest that no other test has."""
    return secrets.randbits(62), secrets.token_bytes(32)


def only(look: Look) -> Row:
    """The one row that was found."""
    (row,) = look.rows
    return row


class CreateStoreSuite:
    """The contract of ``CreateStore``."""

    def test_a_create_that_is_sent_is_seen_by_others(self, open_store: OpenCreates) -> None:
        store, other = open_store(), open_store()
        row, digest = fresh()
        (mine,) = store.apply(A, [Enter(row, digest)])
        assert isinstance(mine, Look)
        assert (list(mine.rows), mine.added) == ([], True)
        (seen,) = other.apply(B, [Enter(fresh()[0], digest)])
        assert isinstance(seen, Look)
        assert not seen.added
        assert only(seen) == Row(row, A, "", RowState.SENT, True, False)
        assert 0 <= seen.now - seen.heard[A] < 60
        assert list(other.look(fresh()[1]).rows) == []

    def test_one_more_is_added_where_that_is_wanted(self, open_store: OpenCreates) -> None:
        store = open_store()
        (row, digest), (more, _) = fresh(), fresh()
        store.apply(A, [Enter(row, digest)])
        (look,) = store.apply(B, [Enter(more, digest, forced=True)])
        assert isinstance(look, Look)
        assert look.added
        assert {each.id for each in store.look(digest).rows} == {row, more}

    def test_what_was_given_is_not_in_doubt(self, open_store: OpenCreates) -> None:
        store = open_store()
        row, digest = fresh()
        assert store.apply(A, [Enter(row, digest), Give(row, digest, fresh_made())])[1] is True
        assert only(store.look(digest)).state is RowState.WRITING
        assert not store.claim(B, row, "")
        store.apply(B, [Written(row)])
        assert only(store.look(digest)).state is RowState.WRITING
        store.apply(A, [Written(row)])
        assert list(store.look(digest).rows) == []
        store.apply(A, [TakeBack(row, RESPONSE, MADE)])
        assert list(store.look(digest).rows) == []
        assert not store.claim(B, row, "")
        assert store.apply(A, [Give(row, digest, fresh_made())]) == [False]

    def test_only_one_may_claim(self, open_store: OpenCreates) -> None:
        store = open_store()
        row, digest = fresh()
        store.apply(A, [Enter(row, digest)])
        barrier = threading.Barrier(4)

        def claim(number: int) -> bool:
            own = open_store()
            barrier.wait()
            return own.claim(f"c.{number}", row, "")

        with ThreadPoolExecutor(4) as executor:
            assert sorted(executor.map(claim, range(4))) == [False, False, False, True]
        found = only(store.look(digest))
        assert (found.state, found.awaited) == (RowState.DOUBTFUL, False)
        assert found.claimer.startswith("c.")

    def test_its_keeper_may_not_give_what_was_claimed(self, open_store: OpenCreates) -> None:
        store, made = open_store(), fresh_made()
        row, digest = fresh()
        store.apply(A, [Enter(row, digest)])
        assert store.claim(B, row, "")
        assert store.apply(A, [Give(row, digest, made)]) == [False]
        store.apply(A, [TakeBack(row, RESPONSE, made), Forget(row), Release(row)])
        assert only(store.look(digest)).claimer == B
        assert store.apply(B, [Give(row, digest, made)]) == [True]

    def test_a_response_is_kept_for_the_one_that_claims(self, open_store: OpenCreates) -> None:
        store, made = open_store(), fresh_made()
        row, digest = fresh()
        store.apply(A, [Enter(row, digest), Doubt(row, awaited=True)])
        assert store.claim(B, row, "")
        assert store.progress(B, row, ()) == Progress(None, True)
        assert store.progress(B, row, (A,)) == Progress(None, False)
        assert store.progress(A, row, ()) is None
        store.apply(A, [Keep(row, RESPONSE, made)])
        assert store.progress(B, row, ()) == Progress(RESPONSE, False)
        assert store.apply(B, [Give(row, digest, made)]) == [True]
        assert store.progress(B, row, ()) is None

    def test_what_a_client_did_not_take_is_in_doubt_again(self, open_store: OpenCreates) -> None:
        store, made = open_store(), fresh_made()
        row, digest = fresh()
        store.apply(A, [Enter(row, digest), Give(row, digest, made), TakeBack(row, RESPONSE, made)])
        found = only(store.look(digest))
        assert (found.state, found.claimer, found.made) == (RowState.KEPT, "", made)
        assert store.claim(B, row, "")
        assert store.progress(B, row, ()) == Progress(RESPONSE, False)

    def test_what_was_claimed_meanwhile_is_for_the_claimer(self, open_store: OpenCreates) -> None:
        """Its client has left before the keeper has heard that it may not be given."""
        store, made = open_store(), fresh_made()
        row, digest = fresh()
        store.apply(A, [Enter(row, digest), Doubt(row, awaited=True)])
        assert store.claim(B, row, "")
        assert store.apply(A, [Give(row, digest, made), TakeBack(row, RESPONSE, made)])[0] is False
        assert store.progress(B, row, ()) == Progress(RESPONSE, False)
        assert store.apply(B, [Give(row, digest, made)]) == [True]

    @pytest.mark.parametrize("late", [Keep, TakeBack])
    def test_nobody_waits_for_what_was_given_to_another(
        self, open_store: OpenCreates, late: type[Keep | TakeBack]
    ) -> None:
        store, made = open_store(), fresh_made()
        (row, digest), (taken, _) = fresh(), fresh()
        store.apply(A, [Enter(row, digest), Doubt(row, awaited=True)])
        assert store.claim(B, row, "")
        store.apply(A, [Enter(taken, digest, forced=True), Give(taken, digest, made)])
        store.apply(A, [late(row, RESPONSE, made)])
        assert store.progress(B, row, ()) == Progress(None, False)

    def test_a_claim_is_given_back(self, open_store: OpenCreates) -> None:
        store = open_store()
        row, digest = fresh()
        store.apply(A, [Enter(row, digest), Doubt(row, awaited=False, failed=True)])
        assert store.claim(B, row, "")
        assert not store.claim(A, row, "")
        store.apply(B, [Release(row)])
        assert only(store.look(digest)) == Row(row, A, "", RowState.DOUBTFUL, False, True)
        assert store.claim("c.1", row, "")
        assert store.claim(B, row, "c.1")  # which is gone

    def test_what_came_to_nothing_is_forgotten(self, open_store: OpenCreates) -> None:
        store = open_store()
        row, digest = fresh()
        store.apply(A, [Enter(row, digest), Forget(row)])
        assert list(store.look(digest).rows) == []
        store.apply(A, [Doubt(row, awaited=False), Keep(row, RESPONSE, MADE)])
        assert list(store.look(digest).rows) == []

    def test_what_the_store_has_lost_may_be_given(self, open_store: OpenCreates) -> None:
        """But for what another one has given."""
        store, made = open_store(), fresh_made()
        row, digest = fresh()
        assert store.apply(A, [Give(row, digest, made), Written(row)]) == [True, None]
        assert store.apply(B, [Give(fresh()[0], digest, made)]) == [False]
        assert store.apply(A, [Give(row, digest, made)]) == [False]

    def test_nothing_is_given_out_twice(self, open_store: OpenCreates) -> None:
        """Whatever the processes believe."""
        store, made = open_store(), fresh_made()
        (first, digest), (second, _), (third, _) = fresh(), fresh(), fresh()
        store.apply(A, [Enter(first, digest), Enter(second, digest, forced=True)])
        assert store.apply(A, [Give(first, digest, made)]) == [True]
        assert store.apply(A, [Give(second, digest, made)]) == [False]
        assert store.claim(B, second, "")
        assert store.join(B, second, digest, [made], ()) == (Verdict.NONE, b"")
        store.apply(A, [Note(third, digest, made)])
        assert store.apply(B, [Give(second, digest, fresh_made())]) == [True]

    def test_a_run_is_joined(self, open_store: OpenCreates) -> None:
        store, made, noted = open_store(), fresh_made(), fresh_made()
        row, digest = fresh()
        store.apply(A, [Enter(row, digest), Note(fresh()[0], digest, noted)])
        store.claim(B, row, "")
        more = fresh_made()
        assert store.join(A, row, digest, [made], ()) == (Verdict.OPEN, b"")
        assert store.join(B, row, digest, [], ()) == (Verdict.NONE, b"")
        assert store.join(B, row, digest, [made, more], ()) == (Verdict.SEVERAL, b"")
        assert store.join(B, row, digest, [noted, made], ()) == (Verdict.JOINED, made)
        assert store.join(B, row, digest, [noted, made], ()) == (Verdict.JOINED, made)
        assert store.apply(B, [Give(row, digest, made)]) == [True]

    def test_one_alike_that_is_under_way_leaves_it_open(self, open_store: OpenCreates) -> None:
        store, made = open_store(), fresh_made()
        (row, digest), (other, _) = fresh(), fresh()
        store.apply(A, [Enter(row, digest), Doubt(row, awaited=False)])
        store.apply("c.1", [Enter(other, digest, forced=True)])
        store.claim(B, row, "")
        assert store.join(B, row, digest, [made], ()) == (Verdict.OPEN, b"")
        assert store.join(B, row, digest, [made], ("c.1",)) == (Verdict.JOINED, made)

    def test_two_that_join_get_two_runs(self, open_store: OpenCreates) -> None:
        store = open_store()
        made = [fresh_made(), fresh_made()]
        (first, digest), (second, _) = fresh(), fresh()
        store.apply(A, [Enter(first, digest), Enter(second, digest, forced=True)])
        store.leave(A)
        assert store.claim(B, first, "")
        assert store.claim("c.1", second, "")
        barrier = threading.Barrier(2)

        def join(who: str, row: int) -> tuple[Verdict, bytes]:
            own = open_store()
            barrier.wait()
            return own.join(who, row, digest, made, ())

        with ThreadPoolExecutor(2) as executor:
            joined = list(executor.map(join, (B, "c.1"), (first, second)))
        assert [each[0] for each in joined] == [Verdict.JOINED] * 2
        assert {each[1] for each in joined} == {*made}

    def test_a_process_that_left_is_not_heard(self, open_store: OpenCreates) -> None:
        store = open_store()
        row, digest = fresh()
        store.apply("leaver", [Enter(row, digest)])
        store.leave("leaver")
        assert "leaver" not in store.look(digest).heard

    def test_nothing_young_is_pruned(self, open_store: OpenCreates) -> None:
        store = open_store()
        row, digest = fresh()
        store.apply(A, [Enter(row, digest)])
        assert store.prune() >= 1
        assert only(store.look(digest)).id == row

    def test_it_does_what_the_one_in_memory_does(self, open_store: OpenCreates) -> None:
        """In whatever order things come, by three processes, for two creates alike."""
        for seed in range(self.orders):
            rng = random.Random(seed)  # noqa: S311 - not for secrets
            store, memory = open_store(), MemoryCreateStore()
            digest, rows = fresh()[1], [fresh()[0] for _ in range(3)]
            made = [fresh_made() for _ in range(2)]
            for _ in range(12):
                step = _step(rng, digest, rows, made)
                assert step(store) == step(memory), seed
                assert _facts(store, digest) == _facts(memory, digest), seed

    orders = 20
    """How many are tried."""


def fresh_made() -> bytes:
    """The short id of something that no other test has made."""
    return secrets.token_bytes(12)


def _facts(store: CreateStore, digest: bytes) -> list[Row]:
    return sorted(store.look(digest).rows, key=lambda row: row.id)


def _step(
    rng: random.Random, digest: bytes, rows: list[int], made: list[bytes]
) -> Callable[[CreateStore], object]:
    """Something that a process does."""
    me, row, one = rng.choice((A, B, "c.1")), rng.choice(rows), rng.choice(made)
    kind = rng.randrange(8)
    if kind == 0:
        seen = rng.choice(("", A, B))
        return lambda store: store.claim(me, row, seen)
    gone: tuple[str, ...] = rng.choice(((), (A,), (B,), (A, B, "c.1")))
    if kind == 1:
        return lambda store: store.progress(me, row, gone)
    if kind == 2:
        found = rng.sample(made, rng.randrange(len(made) + 1))
        return lambda store: store.join(me, row, digest, found, gone)
    own: dict[int, Enter] = {each: Enter(each, digest) for each in rows}
    operations: list[Operation] = [
        Give(row, digest, rng.choice((one, b""))),
        Written(row),
        TakeBack(row, RESPONSE, one),
        Doubt(row, awaited=rng.random() < 0.5, failed=rng.random() < 0.5),
        Keep(row, RESPONSE, one),
        Forget(row),
        Release(row),
        own[row],
        Enter(row, digest, forced=True),
    ]
    operation = rng.choice(operations)

    def apply(store: CreateStore) -> list[Answer] | None:
        if isinstance(operation, Enter) and any(each.id == row for each in store.look(digest).rows):
            return None  # no two rows are ever added under one id
        answers = store.apply(me, [operation])
        return [each.added if isinstance(each, Look) else each for each in answers]

    return apply
