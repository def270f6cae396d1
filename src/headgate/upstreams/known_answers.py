"""What MLflow said last of itself: the gate answers with it for an MLflow that is parked.

MLflow's client asks for its version and for ``server-info`` with little patience, and once: a
request that is held would be given up.  The health checks ask for the same, so each worker keeps
what they see, and leaves it to the worker that replaces it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from headgate.contract.diagnosis import is_page
from headgate.dataplane import local_responses
from headgate.dataplane.call import CallError, CallResponse
from headgate.dataplane.local_responses import LocalResponse
from headgate.upstreams.caller import Caller

VERSION: Final = b"/version"
SERVER_INFO: Final = b"/api/3.0/mlflow/server-info"
_OPERATIONS: Final = {
    VERSION: ("meta/version",),
    SERVER_INFO: ("meta/server-info", "meta/server-info-3.9"),
}
"""The names of the operations that are answered with what came for each path."""
MOST_BYTES: Final = 64 * 1024


class Answer(NamedTuple):
    """What MLflow said: the media type and the body."""

    content_type: bytes
    body: bytes


Answers = Mapping[str, Mapping[bytes, Answer]]
"""By the name of the upstream and the path."""


def _media_type(lines: bytes) -> bytes:
    """What the header lines of a response say that it is."""
    for line in lines.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-type":
            return value.strip()
    return b"text/plain"


class KnownAnswers:
    """The last responses of one upstream, by the path that was asked for.

    Args:
        known: takes the responses, by the name of the operation.
        changed: called when one is another than before.
    """

    def __init__(
        self, known: dict[str, LocalResponse], changed: Callable[[], None] = lambda: None
    ) -> None:
        self.answers: dict[bytes, Answer] = {}
        self.changed = changed
        self._known = known

    def restore(self, answers: Mapping[bytes, Answer]) -> None:
        """Begin with what another worker has seen."""
        for path, answer in answers.items():
            self._keep(path, answer)

    def seen(self, path: bytes, response: CallResponse) -> None:
        """MLflow has responded; what it did not say itself changes nothing."""
        body = response.body
        if response.status != 200 or len(body) > MOST_BYTES or is_page(response):
            return
        answer = Answer(_media_type(response.lines), body)
        if answer != self.answers.get(path):
            self._keep(path, answer)
            self.changed()

    def _keep(self, path: bytes, answer: Answer) -> None:
        self.answers[path] = answer
        response = local_responses.document(answer.body, answer.content_type)
        for operation in _OPERATIONS.get(path, ()):
            self._known[operation] = response

    async def ask(self, caller: Caller) -> None:
        """Ask for what is not known yet."""
        for path in _OPERATIONS:
            if path not in self.answers:
                try:
                    self.seen(path, await caller.ask("GET", path.decode("ascii")))
                except CallError:  # then such requests are held like all others
                    return
