"""Creates that are remembered: each has an end, whatever MLflow responds and its client does."""

from __future__ import annotations

import pytest

from headgate.creates import KEPT_BYTES
from headgate.dataplane.responders.create import CreateResponder
from headgate.dataplane.responders.create_delivery import MAX_HELD
from headgate.dataplane.responders.detached_create import DETACHED_SECONDS
from headgate.dataplane.responders.shared_create import SharedCreateResponder
from headgate.dataplane.shared_creates import enter, send_as_new
from headgate.stores.creates import Doubt, Enter
from headgate.testing.messages import Message, request, response
from tests.support.create_scene import CreateScene, made, play

PAGE = response(200, "Content-Type: text/html", body=b"<html>sign in</html>")
WHERE = pytest.mark.parametrize("across_gates", [False, True])


def line(data: bytes) -> bytes:
    return data.partition(b"\r\n")[0]


@WHERE
def test_a_create(across_gates: bool) -> None:
    async def story(scene: CreateScene) -> None:
        client = await scene.sends()
        mlflow = await scene.accepts()
        mlflow.sends(made())
        await scene.turns()
        assert line(client.received()) == b"HTTP/1.1 200 OK"
        assert scene.dialogue.outcome().status == 200

    play(story, across_gates=across_gates)


@WHERE
@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_response_that_is_too_long_to_be_held_back_ends(status: int, across_gates: bool) -> None:
    async def story(scene: CreateScene) -> None:
        client = await scene.sends()
        mlflow = await scene.accepts()
        body = b" " * (MAX_HELD + 2000)
        whole = response(status, "Content-Type: application/json", body=body)
        mlflow.sends(whole[:-100], whole[-100:])
        await scene.turns()
        assert client.received().endswith(body)
        assert scene.dialogue.outcome().status == status

    play(story, across_gates=across_gates)


@WHERE
@pytest.mark.parametrize("length", [2, 200])
def test_the_next_response_on_its_connection_changes_nothing(
    length: int, across_gates: bool
) -> None:
    """It may come while the store is asked whether the response before it may be given."""

    async def story(scene: CreateScene) -> None:
        client = await scene.sends()
        mlflow = await scene.accepts()
        whole = made()
        mlflow.sends(whole)
        scene.dialogue.turns.run()
        other = scene.dialogue.client()
        other.sends(request("POST /", body=b"{}"))
        scene.dialogue.turns.run()
        assert line(mlflow.received()).startswith(b"POST / ")
        body = b" " * length
        mlflow.sends(response(200, "Content-Type: application/json", body=body))
        await scene.turns()
        assert Message.of(other.received()).rest == body
        message, sent = Message.of(client.received()), Message.of(whole)
        assert message.rest == sent.rest
        assert message.fields[b"content-length"] == sent.fields[b"content-length"]

    play(story, across_gates=across_gates)


@WHERE
@pytest.mark.parametrize("size", [0, KEPT_BYTES, 48 * 1024])
def test_one_that_comes_again_does_not_wait_for_a_response_that_was_here(
    size: int, across_gates: bool
) -> None:
    """Also where it was too long to be kept: nobody waits for MLflow any more."""

    async def story(scene: CreateScene) -> None:
        client = await scene.sends()
        mlflow = await scene.accepts()
        client.resets()
        await scene.turns()
        mlflow.sends(made(size=size))
        await scene.turns()

        again = await scene.sends()
        await scene.connects()
        assert scene.finder.asked or line(again.received()) == b"HTTP/1.1 200 OK"

    play(story, across_gates=across_gates)


@WHERE
@pytest.mark.parametrize("parts", [1, 2])
def test_a_page_in_place_of_a_response_takes_up_nothing_at_mlflow(
    parts: int, across_gates: bool
) -> None:
    async def story(scene: CreateScene) -> None:
        client = await scene.sends()
        mlflow = await scene.accepts()
        mlflow.sends(*([PAGE] if parts == 1 else [PAGE[:-5], PAGE[-5:]]))
        await scene.turns()
        assert line(client.received()).startswith(b"HTTP/1.1 502")
        assert scene.dialogue.balancer.snapshot().in_flight == 0
        assert scene.dialogue.pool.busy == 0

        again = await scene.sends()
        await scene.connects()
        assert scene.finder.asked == 1
        scene.dialogue.mlflows[-1].sends(made())
        await scene.turns()
        assert line(again.received()) == b"HTTP/1.1 200 OK"

    play(story, across_gates=across_gates)


@WHERE
def test_a_page_is_no_response_to_be_kept(across_gates: bool) -> None:
    """The client has left meanwhile; it comes again, and is not given the page."""

    async def story(scene: CreateScene) -> None:
        client = await scene.sends()
        mlflow = await scene.accepts()
        client.resets()
        await scene.turns()
        mlflow.sends(PAGE)
        await scene.turns()
        again = await scene.sends()
        await scene.connects()
        assert scene.finder.asked == 1
        assert b"sign in" not in again.received()

    play(story, across_gates=across_gates)


@WHERE
@pytest.mark.patches
@pytest.mark.parametrize("framed", [True, False])
def test_a_defect_takes_up_nothing_at_mlflow(
    framed: bool, across_gates: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the end of the connection is that of the response."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("defect")

    async def story(scene: CreateScene) -> None:
        client = await scene.sends()
        mlflow = await scene.accepts()
        monkeypatch.setattr(CreateResponder, "on_whole", fail)
        monkeypatch.setattr(SharedCreateResponder, "on_whole", fail)
        if framed:
            mlflow.sends(made())
        else:
            mlflow.sends(b"HTTP/1.1 200 OK\r\n\r\n{}")
            mlflow.finishes()
        await scene.turns()
        assert line(client.received()).startswith(b"HTTP/1.1 500")
        assert scene.dialogue.balancer.snapshot().in_flight == 0

    play(story, across_gates=across_gates)


@WHERE
def test_a_create_whose_client_has_left_is_awaited_for_a_minute(across_gates: bool) -> None:
    async def story(scene: CreateScene) -> None:
        client = await scene.sends()
        await scene.accepts()
        client.resets()
        await scene.turns()
        assert scene.dialogue.balancer.snapshot().in_flight == 1
        await scene.passes(DETACHED_SECONDS + 1)
        assert scene.dialogue.balancer.snapshot().in_flight == 0

    play(story, across_gates=across_gates)


def test_a_claim_that_led_to_nothing_is_forgotten_though_its_client_leaves_in_that_moment() -> None:
    async def story(scene: CreateScene) -> None:
        other, digest = "another", b"d" * 32
        scene.store.apply(other, [Enter(1, digest), Doubt(1, awaited=False)])
        entry = await enter(scene.shared, digest)
        assert entry.claim is not None
        send_as_new(scene.shared, entry.claim, digest).close()
        await scene.turns()
        assert list(scene.store.look(digest).rows) == []

    play(story, across_gates=True)
