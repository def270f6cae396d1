"""What the gate answers for an MLflow that is parked."""

from __future__ import annotations

from headgate.dataplane.call import CallResponse
from headgate.dataplane.local_responses import LocalResponse
from headgate.upstreams.known_answers import MOST_BYTES, SERVER_INFO, VERSION, KnownAnswers

INFO = CallResponse(200, b"Date: now\r\nContent-Type: application/json; x=y \r\n", b'{"a": 1}')


def test_what_was_said_last_is_kept_with_its_media_type() -> None:
    known: dict[str, LocalResponse] = {}
    changes: list[int] = []
    answers = KnownAnswers(known, lambda: changes.append(1))
    answers.seen(VERSION, CallResponse(200, b"content-type: text/plain\r\n", b"3.14.0"))
    answers.seen(VERSION, CallResponse(200, b"content-type: text/plain\r\n", b"3.17.2"))
    answers.seen(SERVER_INFO, INFO)
    answers.seen(SERVER_INFO, INFO)
    assert len(changes) == 3
    assert known["meta/version"].body == b"3.17.2"
    assert b"\r\nContent-Type: text/plain\r\n" in known["meta/version"].lines
    for name in ("meta/server-info", "meta/server-info-3.9"):
        assert known[name].body == b'{"a": 1}'
        assert b"\r\nContent-Type: application/json; x=y\r\n" in known[name].lines


def test_what_mlflow_did_not_say_changes_nothing() -> None:
    known: dict[str, LocalResponse] = {}
    answers = KnownAnswers(known)
    answers.seen(SERVER_INFO, CallResponse(503, b"", b"{}"))
    answers.seen(SERVER_INFO, CallResponse(200, b"", b" <html>"))
    answers.seen(SERVER_INFO, CallResponse(200, b"", b"x" * (MOST_BYTES + 1)))
    assert known == {}


def test_another_worker_begins_with_what_this_one_has_seen() -> None:
    first = KnownAnswers({})
    first.seen(SERVER_INFO, INFO)
    known: dict[str, LocalResponse] = {}
    KnownAnswers(known).restore(first.answers)
    assert known["meta/server-info"].body == INFO.body
