"""What an OTLP trace export names, as MLflow takes it (``mlflow/server/otel_api.py``).

MLflow makes the id of a trace from the 16 bytes of OTLP, whatever an attribute says
(``Span.from_otel_proto``); spans with the id of a trace that is there are added to that one, in
whichever experiment it lies (``SqlAlchemyStore._log_spans_once``).  Attributes of the resource, and
``mlflow.traceTag.*`` of a root span, become tags of the trace.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from headgate.contract.trace_tags import LOCATION_TAGS, LONGEST_TAG, fold
from headgate.wire.errors import ProtocolError

PROTOBUF: Final = b"application/x-protobuf"
JSON: Final = b"application/json"

TAG_PREFIX: Final = "mlflow.tracetag."
"""Folded: ``mlflow.tracing.constant.SpanAttributeKey.TRACE_TAG_PREFIX``."""
LONGEST_KEY: Final = 4 * (len(TAG_PREFIX) + LONGEST_TAG)
"""Bytes of the longest name of an attribute that can become a tag."""
LONGEST_VALUE: Final = 256
"""Bytes of the longest value that can be the id of an object."""
MOST_NAMED: Final = 1000
"""Objects after which reading an export ends: no more than 100 are looked up for a request."""

_RUNS: Final = frozenset({"mlflow.sourcerun", "mlflow.assessment.sourcerunid"})
_EXPERIMENT: Final = "mlflow.experimentid"
_MODEL: Final = "mlflow.modelid"
_TRACES: Final = frozenset({"mlflow.tracerequestid", "mlflow.gateway.linkedtraceid"})
NAMING_KEYS: Final = _RUNS | _TRACES | {_EXPERIMENT, _MODEL}
"""Attributes whose values are ids, folded and without ``TAG_PREFIX``."""

_TRACE_ID: Final = re.compile(r"(?:tr-)?[0-9a-f]{32}")
_MEDIA_TYPE: Final = re.compile(
    rb"(application/(?:x-protobuf|json))[ \t]*(?:;[\x20-\x7e\t]*)?", re.IGNORECASE
)


class NamesMisplacedError(Exception):
    """An attribute says where the data of a trace lie."""


class Export:
    """What the parts of an export that have been read so far name.

    ``strict``: an attribute about a trace's place ends the reading.  The other attributes are of
    interest to keys alone that are narrowed; so ``wants_values`` says whether they are read.
    """

    __slots__ = ("experiments", "models", "runs", "strict", "traces", "wants_values")

    def __init__(self, *, wants_values: bool, strict: bool = True) -> None:
        self.strict = strict
        self.wants_values = wants_values
        self.traces: dict[str, None] = {}
        self.experiments: dict[str, None] = {}
        self.runs: dict[str, None] = {}
        self.models: dict[str, None] = {}

    def on_trace(self, trace_id: str) -> None:
        """A span, or a link of one, is of a trace; ``trace_id``: 32 hexadecimal digits."""
        self.traces[f"tr-{trace_id}"] = None
        self._bound()

    def on_key(self, key: str) -> bool:
        """Take the name of an attribute; whether its value is of interest.

        Raises:
            NamesMisplacedError: it is about a trace's place.
        """
        folded = fold(key).removeprefix(TAG_PREFIX)
        if folded in LOCATION_TAGS and self.strict:
            raise NamesMisplacedError
        return self.wants_values and folded in NAMING_KEYS

    def on_value(self, key: str, value: str) -> None:
        """Take the value of an attribute that is of interest, as text or as JSON in a text."""
        folded = fold(key).removeprefix(TAG_PREFIX)
        text = _unquoted(value)
        if not text:
            return
        if folded in _RUNS:
            self.runs[text] = None
        elif folded == _EXPERIMENT:
            self.experiments[text] = None
        elif folded == _MODEL:
            self.models[text] = None
        elif _TRACE_ID.fullmatch(text):
            self.traces[text] = None
        self._bound()

    def message(self) -> dict[str, Any]:
        """What it names, by the fields of ``rules.txt``."""
        return {
            "trace_ids": list(self.traces),
            "experiment_ids": list(self.experiments),
            "run_ids": list(self.runs),
            "model_ids": list(self.models),
        }

    def _bound(self) -> None:
        named = len(self.traces) + len(self.experiments) + len(self.runs) + len(self.models)
        if self.wants_values and named > MOST_NAMED:
            raise ProtocolError(
                f"it names more than {MOST_NAMED} traces, runs and experiments; with a key that "
                "is narrowed to experiments, at most 100 are looked up for one request"
            )


def media_type(content_type: bytes) -> bytes:
    """``PROTOBUF``, ``JSON``, or empty for what MLflow takes for neither."""
    match = _MEDIA_TYPE.fullmatch(content_type)
    found = match[1] if match is not None else b""
    return found if found in (PROTOBUF, JSON) else b""


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        parsed = json.loads(value)
    except ValueError:
        return value
    return parsed if isinstance(parsed, str) else value
