"""The page of the stages of a client connection, drawn from the table that the gate runs by."""

from __future__ import annotations

import math
from collections.abc import Iterator

from docs.reference_pages.diagrams import mermaid
from docs.reference_pages.markdown import GENERATED, table
from headgate.dataplane.connection_states import (
    CLOSED,
    NEW,
    PROXY_HEADER,
    STAGES,
    TRANSITIONS,
    Expiry,
    Stage,
)

_INTRODUCTION = """# Connection states

A client connection is in one of these stages at any time
(`headgate.dataplane.connection_states`). Any stage can end with the connection, which the diagram
leaves out. Seconds are settings of [`limits`](configuration.md#limits) where a name stands.

"""
_SLOW_READERS = """
## Clients that read slowly

In any stage a client may leave what it is sent in the gate's buffer. While the buffer is full the
wait of the stage rests. Every `limits.body_timeout` the gate looks at how much the client has taken
since; where that is less than `limits.min_body_rate` allows, the connection is cut with a reset.
"""


def page() -> str:
    """The whole page."""
    return (
        GENERATED
        + _INTRODUCTION
        + mermaid(_lines())
        + "\n## The stages\n\n"
        + table(
            ("Stage", "What is so in it", "Longest wait", "What follows then"),
            ((f"`{each.name}`", each.meaning, _wait(each), each.expiry.value) for each in STAGES),
        )
        + "\n## The ways between them\n\n"
        + table(
            ("From", "To", "When"),
            (
                (f"`{each.before.name}`", f"`{each.after.name}`", each.when)
                for each in TRANSITIONS
                if each.after is not CLOSED
            ),
        )
        + _SLOW_READERS
    )


def _lines() -> Iterator[str]:
    yield "stateDiagram-v2"
    yield f"    [*] --> {NEW.name}"
    yield f"    [*] --> {PROXY_HEADER.name}: where PROXY protocol is required"
    for each in TRANSITIONS:
        if each.after is not CLOSED:
            yield f"    {each.before.name} --> {each.after.name}: {each.when}"
    for stage in STAGES:
        if stage.expiry is Expiry.CLOSE:
            yield f"    {stage.name} --> [*]: after {_wait(stage)}".replace("`", "")


def _wait(stage: Stage) -> str:
    if stage.setting:
        return f"`{stage.setting}`"
    return "none" if stage.seconds == math.inf else f"{stage.seconds:g} s"
