"""Requests leave nothing for the garbage collector, whose passes would cost all the others."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import request, response


@contextmanager
def unreachable() -> Iterator[list[str]]:
    """The types of the gate's objects that only the collector could free, once the block ends."""
    found: list[str] = []
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        kinds = {type(each) for each in gc.garbage}
        found += sorted(
            kind.__name__
            for kind in kinds
            if kind.__module__.startswith("headgate.") and ".testing." not in kind.__module__
        )
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("sent", ["GET /stream", "POST /stream", "GET /refused"])
def test_an_exchange_leaves_no_garbage(sent: str, dialogue: Dialogue) -> None:
    """Whether it was forwarded or refused, and whatever came of its body."""
    client, mlflow = dialogue.client(), dialogue.mlflow_is_idle()
    body = b"abc" if sent.startswith("POST") else b""
    with unreachable() as found:
        for _ in range(3):
            client.sends(request(sent, f"Content-Length: {len(body)}"), body)
            if "refused" not in sent:
                mlflow.sends(response(200, "Content-Length: 2"), b"{}")
            assert client.received()
        dialogue.outcomes()
    assert found == []


def test_a_lost_response_leaves_no_garbage(dialogue: Dialogue) -> None:
    with unreachable() as found:
        client = dialogue.client()
        client.sends(request("POST /stream", body=b"abc"))
        dialogue.mlflow_accepts().resets()
        assert client.received()
        dialogue.outcomes()
        client.finishes()
    assert found == []
