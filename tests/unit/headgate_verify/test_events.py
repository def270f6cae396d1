"""Events are JSON lines without secrets."""

from __future__ import annotations

import io
import json

from headgate_verify.events import Events


class _Abandoned(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


def test_one_line_for_each_event() -> None:
    stream = io.StringIO()
    events = Events(stream, [])
    events.emit("started", step="tags")
    events.emit("passed", step="tags", seconds=0.5, detail="ä\nb", repeated=[])
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"event": "started", "step": "tags"},
        {"event": "passed", "step": "tags", "seconds": 0.5, "detail": "ä\nb", "repeated": []},
    ]


def test_secrets_are_blotted_out_wherever_they_stand() -> None:
    stream = io.StringIO()
    Events(stream, ['se"cret']).emit(
        "failed", failure={"message": 'it said se"cret', "list": ['se"cret'], "status": 401}
    )
    event = json.loads(stream.getvalue())
    assert event["failure"] == {"message": "it said [key]", "list": ["[key]"], "status": 401}


def test_a_reader_that_left_does_not_stop_the_program() -> None:
    """What was made must still be removed."""
    events = Events(_Abandoned(), [])
    events.emit("started", step="tags")
    assert events.abandoned
    events.emit("started", step="tags")
