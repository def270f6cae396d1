"""The gate's own look-ups for requests of clients, while the upstream is parked."""

from __future__ import annotations

import asyncio

import pytest

from headgate.cluster import Result, Unavailable, Why
from headgate.dataplane.call import CallError
from headgate.dataplane.connections.pool import Pool
from headgate.maintenance import Directive, Park
from headgate.reasons import Reason
from headgate.testing.decider import PRINCIPAL
from headgate.testing.dialogue import Dialogue
from headgate.upstreams.caller import Caller
from headgate.upstreams.queued_choice import choose_in_turn


def tell(dialogue: Dialogue, park: Park | None) -> None:
    maintenance = dialogue.balancer.maintenance
    revision = maintenance.directive.revision + 1
    maintenance.take(Directive("default", revision, park, asked=revision))


def parked(seconds: float = 240) -> Dialogue:
    dialogue = Dialogue()
    now = dialogue.wall_clock()
    tell(dialogue, Park("a" * 16, "ada", "why", now, now + seconds))
    return dialogue


async def turn() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_a_look_up_is_held_and_goes_on_when_the_park_is_over() -> None:
    dialogue = parked()

    async def story() -> Pool | Unavailable:
        balancer = dialogue.balancer
        deadline = balancer.parking.deadline()
        choice = asyncio.ensure_future(choose_in_turn(balancer, (), PRINCIPAL, deadline))
        await turn()
        dialogue.passes(30)
        await turn()
        assert not choice.done()
        tell(dialogue, None)
        dialogue.passes(1)
        return await choice

    chosen = asyncio.run(story())
    assert chosen is dialogue.pool
    dialogue.balancer.finish(dialogue.pool, Result.OK)
    dialogue.ends()


def test_a_look_up_is_held_no_longer_than_its_client_can_wait() -> None:
    dialogue = parked()

    async def story() -> str:
        caller = Caller(dialogue.balancer)
        asked = asyncio.ensure_future(caller.ask("GET", "/version", on_behalf=PRINCIPAL))
        await turn()
        dialogue.passes(100)
        with pytest.raises(CallError) as failed:
            await asked
        return failed.value.symptom.reason

    assert asyncio.run(story()) is Reason.PARKED
    dialogue.ends()


def test_a_look_up_whose_client_leaves_frees_its_place() -> None:
    dialogue = parked()

    async def story() -> None:
        balancer = dialogue.balancer
        deadline = balancer.parking.deadline()
        choice = asyncio.ensure_future(choose_in_turn(balancer, (), PRINCIPAL, deadline))
        await turn()
        assert len(balancer.parking.holds) == 1
        choice.cancel()
        await turn()
        assert len(balancer.parking.holds) == 0

    asyncio.run(story())
    dialogue.ends()


def test_questions_of_the_gates_own_pass() -> None:
    dialogue = parked()
    chosen = dialogue.balancer.choose()
    assert chosen is dialogue.pool
    dialogue.balancer.finish(dialogue.pool, Result.OK)
    stopped = dialogue.balancer.choose((), PRINCIPAL)
    assert isinstance(stopped, Unavailable)
    assert stopped.why is Why.PARKED
    dialogue.ends()
