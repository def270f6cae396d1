"""What holds of names, and of keys whatever is done to them in whatever order."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable

import hypothesis
from hypothesis import settings
from hypothesis import strategies as st

from headgate.identity import (
    BreakGlass,
    IdentityError,
    KeyChange,
    NewKey,
    PrincipalChange,
    Rotation,
)
from headgate.identity.naming import checked_name, is_id
from headgate.stores.records import KeyRecord, KeyState
from tests.support.administered import NOW, OPERATOR, Administered

Act = Callable[[Administered], object]

NAME = st.sampled_from(["a", "b", "c"])
END = st.none() | st.just(math.inf) | st.integers(1, 200).map(lambda more: NOW + more)
ACTS = st.one_of(
    st.builds(
        lambda name, owner, end: (
            lambda house: house.do.create_key(OPERATOR, NewKey(name, owner, expires_at=end))
        ),
        NAME,
        st.none() | NAME,
        END,
    ),
    st.builds(
        lambda name, end, overlap: (
            lambda house: house.do.rotate_key(OPERATOR, name, Rotation(end, overlap))
        ),
        NAME,
        END,
        st.none() | st.integers(0, 100),
    ),
    st.builds(lambda name: lambda house: house.do.revoke_key(OPERATOR, name), NAME),
    st.builds(
        lambda name, end: lambda house: house.do.expire_key(OPERATOR, name, end),
        NAME,
        st.just(math.inf) | st.integers(1, 200).map(lambda more: NOW + more),
    ),
    st.builds(
        lambda name: lambda house: house.do.change_key(OPERATOR, name, KeyChange(["viewer"])), NAME
    ),
    st.builds(
        lambda name, new: (
            lambda house: house.do.change_principal(OPERATOR, name, PrincipalChange(name=new))
        ),
        NAME,
        NAME,
    ),
    st.builds(
        lambda life: lambda house: house.do.create_break_glass(OPERATOR, BreakGlass("why", life)),
        st.integers(1, 200),
    ),
    st.builds(
        lambda seconds: lambda house: house.clock.advance(seconds),
        st.integers(min_value=1, max_value=60),
    ),
)


@settings(max_examples=200, deadline=None)
@hypothesis.given(st.lists(ACTS, max_size=15))
def test_keys_end_for_good_and_share_a_name_only_while_one_replaces_another(
    acts: list[Act],
) -> None:
    house = Administered()
    before: dict[str, KeyRecord] = {}
    for act in acts:
        ended = {
            each.id
            for each in before.values()
            if each.state(house.clock.now) is not KeyState.ACTIVE
        }
        try:
            act(house)
        except IdentityError:
            assert {each.id: each for each in house.records()} == before
        records = {each.id: each for each in house.records()}
        now = house.clock.now
        active = [each for each in records.values() if each.state(now) is KeyState.ACTIVE]
        assert not ended & {each.id for each in active}
        assert before.keys() <= records.keys()
        for key_id, old in before.items():
            new = records[key_id]
            assert (new.digest, new.name, new.created_at) == (old.digest, old.name, old.created_at)
            if old.break_glass:
                assert (new.expires_at or 0) <= (old.expires_at or 0)
        for one in active:
            for other in active:
                if one.name == other.name and one.id < other.id:
                    assert _follows(one, other, records) or _follows(other, one, records)
        names = [each.name for each in house.do.principals(OPERATOR)]
        assert len(names) == len(set(names))
        before = records


def _follows(one: KeyRecord, other: KeyRecord, records: dict[str, KeyRecord]) -> bool:
    """Whether one key replaces the other, perhaps through others."""
    while one.replaces:
        one = records[one.replaces]
        if one == other:
            return True
    return False


@hypothesis.given(st.text(max_size=12) | st.from_regex(r"[kp]_[0-9A-Za-z]{8}", fullmatch=True))
def test_a_name_that_is_accepted_is_printable_and_has_one_form(text: str) -> None:
    try:
        name = checked_name(text)
    except IdentityError:
        return
    assert name == unicodedata.normalize("NFC", text)
    assert checked_name(name) == name == name.strip()
    assert name.isprintable()
    assert not is_id(name)
