"""What the data plane says of a sender is what the API reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.control.api.sender import SENDER_HEADER, read_sender
from headgate.dataplane.terms import PrincipalLines
from headgate.model import Action, AuthMethod, Principal
from headgate.policy import Roles, held, write_grant
from headgate.policy.roles import Role
from headgate.wire.fields import Kind, kind_of
from tests.unit.control.api.stand import ADMIN, GATEKEEPER, VIEWER, header_lines

GRANTS = st.lists(
    st.sampled_from(
        [
            *("read:runs", "*:*", "administer:gate", "read:*", "*:models"),
            'write:runs on experiment "team \N{SNOWMAN} a/*"',
            "read:models on model m-* in upstream lab in workspace w1",
        ]
    ),
    max_size=5,
)
IDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


@given(st.text(max_size=40), IDS, GRANTS, st.sampled_from([AuthMethod.KEY, AuthMethod.TOKEN]))
def test_nothing_is_lost_on_the_way(
    name: str, id_: str, texts: list[str], method: AuthMethod
) -> None:
    roles = Roles({"own": Role("", tuple(texts))})
    grants = roles.grants_for(name, ["own"])
    sent = Principal(id_, name, method, "issuer", grants, "k_00000001")
    lines = PrincipalLines("gate").lines({}, sent)
    assert lines.count(b"\r\n") == lines.count(b"\n") == lines.count(b"\r") == 3
    found = read_sender(header_lines(sent)["X-Headgate-Sender"])
    assert (found.id, found.name, found.method, found.issuer) == (id_, name, method, "issuer")
    assert found.grants == held(grants)
    assert {write_grant(each) for each in found.grants} == {
        write_grant(each.grant) for each in roles.given("own")
    }


@pytest.mark.parametrize(
    ("who", "administers", "reads"),
    [(ADMIN, True, True), (GATEKEEPER, True, True), (VIEWER, False, True)],
)
def test_what_a_sender_may(who: Principal, administers: bool, reads: bool) -> None:
    found = read_sender(header_lines(who)["X-Headgate-Sender"])
    assert found.may(Action.ADMINISTER, "gate") is administers
    assert found.may(Action.READ, "gate") is reads


@given(st.data())
def test_clients_cannot_send_the_field_in_any_spelling(data: st.DataObject) -> None:
    """WSGI and some proxies take other separators and capitals for the same name."""
    name = SENDER_HEADER.encode()
    spelled = bytes(
        data.draw(st.sampled_from(b"-_.~|!")) if each == ord("-") else each for each in name
    )
    upper = data.draw(st.lists(st.booleans(), min_size=len(name), max_size=len(name)))
    mixed = b"".join(
        spelled[at : at + 1].upper() if is_upper else spelled[at : at + 1]
        for at, is_upper in enumerate(upper)
    )
    assert kind_of(mixed)[1] is Kind.DROP
