"""The journal of a service: which revision is good, and what is being done to it.

It is one JSON document in a parameter of SSM, which holds at most 4096 bytes, so that the history
of good revisions is cut to what fits.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from headgate.deploy.fields import Fields
from headgate.errors import HeadgateError

VERSION = 1
MAX_BYTES = 4096
"""What a parameter of SSM's standard tier holds."""
MAX_HISTORY = 10


class JournalError(HeadgateError):
    """The journal cannot be read, or would not fit; the message says how to go on."""


@dataclass(frozen=True, slots=True)
class Good:
    """A revision that served well.

    Attributes:
        revision: its ARN.
        image: the gate's image, with its digest.
        template: the ARN of the template that it is a copy of; empty if it is none.
        since: when it was found to be good, in seconds since the epoch.
    """

    revision: str
    image: str
    template: str
    since: float


@dataclass(frozen=True, slots=True)
class InProgress:
    """A deployment or a rollback that a command has begun and not ended.

    Attributes:
        kind: ``deploy`` or ``rollback``.
        revision: the ARN that it brings; empty until it is registered.
        deployment: the ARN of the service deployment; empty until there is one.
        phase: what the command does at the moment.
        operator: who, as STS says it.
        started_at: seconds since the epoch.
    """

    kind: str
    revision: str
    deployment: str
    phase: str
    operator: str
    started_at: float


@dataclass(frozen=True, slots=True)
class Journal:
    """What every operator must know of a service.

    Attributes:
        good: the revision to return to; None before the first.
        in_progress: what is being done; None if nothing is, or was not ended.
        history: the good revisions before ``good``, the latest first.
        returned: whether a rollback brought ``good`` back, so that another one would go further.
    """

    good: Good | None = None
    in_progress: InProgress | None = None
    history: tuple[Good, ...] = ()
    returned: bool = False

    def begin(self, what: InProgress) -> Journal:
        """With a deployment or rollback, which now is in progress."""
        return replace(self, in_progress=what)

    def end(self) -> Journal:
        """With nothing in progress; the good revision stays."""
        return replace(self, in_progress=None)

    def returned_to(self, good: Good) -> Journal:
        """After a rollback: what was left behind is not good any more."""
        older = [each.revision for each in self.history]
        if good.revision in older:
            kept = self.history[older.index(good.revision) + 1 :]
        else:
            kept = self.history if self.is_good(good.revision) else ()
        return replace(self, good=good, history=kept, returned=True)

    def is_good(self, revision: str) -> bool:
        """Whether this is the revision to return to."""
        return self.good is not None and self.good.revision == revision

    def with_good(self, good: Good) -> Journal:
        """With another good revision; the one before goes to the history, each revision once."""
        if self.good is not None and self.good.revision == good.revision:
            return replace(self, good=good)
        before = () if self.good is None else (self.good,)
        history = tuple(each for each in (*before, *self.history) if each.revision != good.revision)
        return replace(self, good=good, history=history[:MAX_HISTORY], returned=False)

    def to_text(self) -> str:
        """The document; the oldest of the history are left out if it were too long.

        Raises:
            JournalError: it does not fit even without a history.
        """
        history = self.history
        while True:
            text = json.dumps(self._document(history), separators=(",", ":"))
            if len(text.encode()) <= MAX_BYTES:
                return text
            if not history:
                raise JournalError(
                    f"the journal needs {len(text.encode())} bytes, and a parameter of SSM holds "
                    f"{MAX_BYTES}: shorten the name of the image or of the task definition"
                )
            history = history[:-1]

    def _document(self, history: tuple[Good, ...]) -> dict[str, Any]:
        return {
            "version": VERSION,
            "good": None if self.good is None else asdict(self.good),
            "in_progress": None if self.in_progress is None else asdict(self.in_progress),
            "history": [asdict(each) for each in history],
            "returned": self.returned,
        }

    def to_document(self) -> dict[str, Any]:
        """For ``--json``: the same members as the parameter has."""
        return self._document(self.history)


def read(text: str | None, parameter: str) -> Journal:
    """The journal of a parameter; an empty one if there is none yet.

    Raises:
        JournalError: the text is not a journal of this version.  It is never replaced unread,
            because it names the revision to return to.
    """
    if text is None:
        return Journal()
    try:
        return _journal(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise JournalError(
            f"the journal in the SSM parameter {parameter} cannot be read ({error}): look at it "
            f"with: aws ssm get-parameter-history --name {parameter}; put back the value of the "
            "last version that is whole, or name the revision yourself with: headgate ecs rollback "
            "--to FAMILY:NUMBER"
        ) from None


def _journal(document: object) -> Journal:
    fields = Fields(document, "version", "good", "in_progress", "history", "returned")
    fields.require("version", VERSION)
    return Journal(
        fields.optional("good", _good),
        fields.optional("in_progress", _in_progress),
        fields.each("history", _good),
        fields.flag("returned"),
    )


def _good(document: object) -> Good:
    fields = Fields(document, "revision", "image", "template", "since")
    if not fields.text("revision"):
        raise ValueError("a good revision has no ARN")
    return Good(**fields.texts("revision", "image", "template"), since=fields.number("since"))


def _in_progress(document: object) -> InProgress:
    texts = ("kind", "revision", "deployment", "phase", "operator")
    fields = Fields(document, *texts, "started_at")
    return InProgress(**fields.texts(*texts), started_at=fields.number("started_at"))
