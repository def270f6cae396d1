"""How many requests go on at a time after a park."""

from __future__ import annotations

import pytest

from headgate.maintenance import ParkingPolicy, ReleaseWindow

POLICY = ParkingPolicy(release_limit=40, release_max=300)


def begun(sharers: int = 1, policy: ParkingPolicy = POLICY) -> ReleaseWindow:
    window = ReleaseWindow(policy)
    window.begin(sharers)
    return window


def turns(window: ReleaseWindow, ended: int, number: int = 1, sharers: int = 1) -> list[int]:
    """The sizes after each of some turns, in each of which so many requests end well."""
    sizes = []
    for _ in range(number):
        for _ in range(ended):
            window.on_ended(well=True)
        window.on_turn(1.0, sharers)
        sizes.append(window.size)
    return sizes


def test_it_grows_as_mlflow_responds_up_to_the_bound() -> None:
    window = begun()
    assert window.size == 4
    assert turns(window, ended=20, number=6) == [8, 16, 32, 40, 40, 40]


def test_it_is_at_most_a_quarter_more_than_mlflow_responded_to_within_a_second() -> None:
    window = begun()
    turns(window, ended=40, number=6)
    assert turns(window, ended=5, number=2) == [40, 12]


@pytest.mark.parametrize(
    ("sharers", "size"), [(1, 12), (2, 6), (4, 3), (5, 2), (12, 1), (100, 1), (0, 12)]
)
def test_the_workers_of_all_gates_share_the_bound(sharers: int, size: int) -> None:
    window = begun(sharers, ParkingPolicy(release_limit=12))
    assert turns(window, ended=100, number=9, sharers=sharers)[-1] == size
    assert size * max(1, sharers) <= 12 or size == 1


def test_a_worker_that_joins_takes_its_part_immediately() -> None:
    window = begun(1, ParkingPolicy(release_limit=12))
    turns(window, ended=100, number=9)
    assert turns(window, ended=100, sharers=4) == [3]


def test_failures_halve_it_once_a_turn() -> None:
    window = begun()
    turns(window, ended=40, number=6)
    for _ in range(10):
        window.on_ended(well=False)
    assert window.size == 20
    assert turns(window, ended=40) == [20]
    for size in (10, 5, 2, 1, 1):
        window.on_ended(well=False)
        window.on_turn(1.0, 1)
        assert window.size == size
    assert turns(window, ended=40, number=3) == [2, 4, 8]


def test_it_grows_slowly_where_nothing_ends() -> None:
    sizes = turns(begun(), ended=0, number=100)
    assert sizes[:5] == [4, 4, 5, 6, 7]
    assert sizes[-1] == 40, "never above the bound"


def test_the_bound_is_lifted_before_the_end_whatever_mlflow_does() -> None:
    window = begun(4, ParkingPolicy(release_limit=12, release_max=60))
    window.on_turn(44.9, 4)
    assert window.size <= 3
    sizes = []
    for turn in range(30):
        window.on_ended(well=False)
        window.on_turn(45 + turn / 2, 4)
        sizes.append(window.size)
    assert sizes[:3] == [6, 12, 24]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 10_000
