"""Several authenticators, one after another."""

from __future__ import annotations

import asyncio
import math

import pytest

from headgate.auth.anonymous import Anonymous
from headgate.auth.chain import AuthenticatorChain, Identified, Pending, Waiting
from headgate.auth.refusals import BEARER_TWICE, ENDED, FOREIGN, NO_KEY, SCHEME_MISSING, UNKNOWN
from headgate.errors import Refusal
from headgate.model import AuthMethod, Principal
from headgate.testing.authenticators import Scripted, ScriptedAuthenticator
from headgate.testing.clock import ManualClock
from headgate.wire.request_fields import CredentialFields

ADA = Principal("k_ada", "ada", AuthMethod.KEY)
BOB = Principal("k_bob", "bob", AuthMethod.KEY)
NOTHING = CredentialFields(None, None)


def bearer(token: str) -> CredentialFields:
    return CredentialFields(b"Bearer " + token.encode(), None)


def chain(*known: dict[str, Scripted]) -> AuthenticatorChain:
    return AuthenticatorChain([ScriptedAuthenticator(each) for each in known], ManualClock())


def after(found: Identified | Refusal | None) -> Pending:
    async def resolve() -> Identified | Refusal | None:
        return found

    return Pending(resolve)


def found(asked: AuthenticatorChain, token: str) -> Principal | Refusal:
    """Authenticates the token, immediately or later."""
    identity = asked.authenticate(bearer(token))
    if isinstance(identity, Waiting):
        identity = asyncio.run(asked.finish(identity))
    return identity.principal if isinstance(identity, Identified) else identity


def test_the_first_that_takes_the_credentials_decides() -> None:
    both = chain({"a": ADA, "x": UNKNOWN}, {"a": BOB, "b": BOB, "x": BOB})
    assert found(both, "a") is ADA
    assert found(both, "b") is BOB
    assert found(both, "x") is UNKNOWN


def test_one_that_takes_io_is_waited_for_and_may_leave_it_to_the_next() -> None:
    both = chain({"a": after(Identified(ADA, math.inf)), "b": after(None), "x": after(UNKNOWN)})
    assert found(both, "a") is ADA
    assert found(both, "b") is FOREIGN
    assert found(both, "x") is UNKNOWN
    assert found(chain({"b": after(None)}, {"b": BOB}), "b") is BOB
    assert found(chain({"b": after(None)}, {"b": after(Identified(BOB, 1e9))}), "b") is BOB


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        (NOTHING, NO_KEY),
        (bearer("other"), FOREIGN),
        (bearer("Bearer a"), BEARER_TWICE),
        (CredentialFields(b"a", None), SCHEME_MISSING),
    ],
)
def test_what_no_authenticator_takes_is_refused(fields: CredentialFields, refusal: Refusal) -> None:
    assert chain({"a": ADA}).authenticate(fields) is refusal
    assert AuthenticatorChain([], ManualClock()).authenticate(fields) is refusal


def test_malformed_credentials_reach_only_an_authenticator_that_reads_none() -> None:
    reads = ScriptedAuthenticator({"": ADA})
    asked = AuthenticatorChain([reads], ManualClock())
    assert asked.authenticate(CredentialFields(b"a", None)) is SCHEME_MISSING
    assert reads.asked == []
    asked = AuthenticatorChain([reads, Anonymous()], ManualClock())
    identity = asked.authenticate(CredentialFields(b"a", None))
    assert isinstance(identity, Identified)
    assert identity.principal.id == "anonymous"


def test_an_identity_that_has_ended_is_none() -> None:
    clock = ManualClock()
    ended: Scripted = Identified(ADA, clock.now)
    assert found(chain({"a": ended}), "a") is ENDED
    assert found(chain({"a": after(Identified(ADA, clock.now))}), "a") is ENDED


def test_the_generation_grows_with_that_of_each() -> None:
    one, other = ScriptedAuthenticator(), ScriptedAuthenticator()
    asked = AuthenticatorChain([one, other], ManualClock())
    seen = [asked.generation()]
    for each in (one, other, one):
        each.generation += 1
        seen.append(asked.generation())
    assert seen == sorted(set(seen))
