"""Whatever happens to two gates: no run is with two clients, and none is made twice for one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.create_world import Client, World

STEPS = 4_000
DIGEST = b"d" * 32


@contextmanager
def world(rng: random.Random, *, has_gaps: bool) -> Iterator[World]:
    made = World(rng, has_gaps=has_gaps)
    try:
        yield made
    finally:
        made.close()


def let_it_happen(made: World, trouble: float, kills: int, leaves: int) -> None:
    """Until every client has its run; ``trouble`` is how likely some is before each step."""
    rng = made.rng
    for _ in range(STEPS):
        waiting = [each for each in made.clients if not each.run]
        if not waiting:
            return
        for client in waiting:
            if client.task is None and rng.random() < 0.3:
                made.send(client)
        if rng.random() < trouble:
            busy = [each for each in waiting if each.task is not None]
            if rng.random() < 0.5 and made.kills < kills and made.killable:
                made.kill(rng.choice(made.killable))
            elif busy and made.leaves < leaves:
                made.leave(rng.choice(busy))
        made.go()
        runs = [each.run for each in made.clients if each.run]
        assert len(runs) == len({*runs}), "a run is with two clients"
    raise AssertionError("a client has no run")


@settings(max_examples=150)
@given(rng=st.randoms(use_true_random=False), clients=st.integers(1, 3))
def test_no_run_is_ever_with_two_clients(rng: random.Random, clients: int) -> None:
    """Those of processes that send the same bytes, too."""
    with world(rng, has_gaps=True) as made:
        made.clients = [Client(DIGEST) for _ in range(clients)]
        let_it_happen(made, 0.05, kills=3, leaves=3)


@settings(max_examples=150)
@given(rng=st.randoms(use_true_random=False))
def test_no_client_makes_two_runs(rng: random.Random) -> None:
    """Where no gate is killed in the moment in which it gives a response."""
    with world(rng, has_gaps=False) as made:
        made.clients = [Client(bytes([number]) * 32) for number in range(2)]
        let_it_happen(made, 0.05, kills=3, leaves=3)
        for _ in range(200):  # what is still under way at MLflow
            made.go()
        made_of = [[e for e in made.executions if e.digest == c.digest] for c in made.clients]
        assert [len([e for e in each if e.run]) for each in made_of] == [1, 1]


@pytest.mark.parametrize("seed", range(20))
def test_clients_that_nothing_happens_to_make_a_run_each(seed: int) -> None:
    """Sixty-four processes in one moment, over two gates."""
    with world(random.Random(seed), has_gaps=True) as made:  # noqa: S311 - not for secrets
        made.clients = [Client(DIGEST) for _ in range(8)]
        let_it_happen(made, 0.0, kills=0, leaves=0)
        assert len(made.executions) == 8
        assert [each.sends for each in made.clients] == [1] * 8
