"""The pages of a list are the list, whatever the filter."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from headgate.config.auth import KeyRules
from headgate.identity import Actor, Administration, KeyFilter, KeyView, PrincipalView, showing
from headgate.policy import Roles
from headgate.stores.records import KeyRecord, PrincipalKind, PrincipalRecord
from headgate.testing.key_store import MemoryIdentityStore

NOW = 1_000
OPERATOR = Actor.operator("test")
PRINCIPALS = ("p_00000001", "p_00000002", "")


@st.composite
def stores(draw: st.DrawFn) -> MemoryIdentityStore:
    """A store with some principals and keys in every state, and of older gates."""
    store = MemoryIdentityStore()
    with store.transaction() as transaction:
        for at in (1, 2):
            record = PrincipalRecord(
                f"p_0000000{at}", f"team {at}", PrincipalKind.SERVICE, ("admin",), NOW
            )
            disabled = draw(st.sampled_from([None, NOW]))
            transaction.put_principal(replace(record, disabled_at=disabled))
        for at in range(draw(st.integers(0, 12))):
            transaction.put_key(
                KeyRecord(
                    f"k_{at:08}",
                    draw(st.sampled_from(["ci", "laptop"])),
                    at.to_bytes(32, "big"),
                    NOW,
                    expires_at=draw(st.sampled_from([None, NOW - 1, NOW + 50])),
                    revoked_at=draw(st.sampled_from([None, NOW])),
                    roles=("viewer",),
                    principal_id=draw(st.sampled_from(PRINCIPALS)),
                )
            )
    return store


FILTERS = st.builds(
    KeyFilter,
    principal=st.sampled_from([None, "p_00000001", "team 2"]),
    state=st.sampled_from([None, "active", "disabled", "expired", "revoked"]),
    expiring_within=st.sampled_from([None, 10.0, 100.0]),
    name=st.sampled_from([None, "ci"]),
)


@given(stores(), FILTERS, st.integers(1, 5))
def test_the_pages_of_keys_are_the_list(
    store: MemoryIdentityStore, wanted: KeyFilter, limit: int
) -> None:
    administration = Administration(store, Roles(), KeyRules(), lambda: NOW)
    found: list[KeyView] = []
    after: str | None = None
    while True:
        page = administration.key_page(OPERATOR, wanted, after=after, limit=limit)
        assert len(page.keys) <= limit
        found += page.keys
        if page.following is None:
            break
        assert page.keys, "a page of so few keys is only empty if it is the last"
        after = page.following
    # The list of one principal has the key of an older gate first, which in a store comes first.
    expected = administration.keys(OPERATOR, wanted).keys
    assert found == sorted(expected, key=lambda key: key.id)


@given(stores(), st.integers(1, 5))
def test_the_pages_of_principals_are_the_list(store: MemoryIdentityStore, limit: int) -> None:
    administration = Administration(store, Roles(), KeyRules(), lambda: NOW)
    found: list[PrincipalView] = []
    after: str | None = None
    while True:
        page = administration.principal_page(OPERATOR, after=after, limit=limit)
        assert len(page.principals) <= limit
        found += page.principals
        if page.following is None:
            break
        after = page.following
    expected = administration.principals(OPERATOR)
    stored = [each for each in expected if each.id in PRINCIPALS[:2]]
    assert found[: len(stored)] == stored
    made_up = [each for each in expected if each.id not in PRINCIPALS]
    assert found[len(stored) :] == made_up


def test_one_page_reads_a_bounded_number_of_keys() -> None:
    """A filter that fits few of many keys ends a page early; the next one goes on there."""
    store = MemoryIdentityStore()
    count = showing.MOST_SCANNED + 10
    with store.transaction() as transaction:
        for at in range(count):
            end = NOW if at == count - 1 else None
            transaction.put_key(
                KeyRecord(f"k_{at:08}", "ci", at.to_bytes(32, "big"), NOW, revoked_at=end)
            )
    administration = Administration(store, Roles(), KeyRules(), lambda: NOW)
    wanted = KeyFilter(state="revoked")
    first = administration.key_page(OPERATOR, wanted, after=None, limit=10)
    assert (list(first.keys), first.following) == ([], str(showing.MOST_SCANNED))
    second = administration.key_page(OPERATOR, wanted, after=first.following, limit=10)
    assert [each.id for each in second.keys] == [f"k_{count - 1:08}"]
    assert second.following is None
