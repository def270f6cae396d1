"""The output of the program: one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TextIO

JSON = str | int | float | bool | None | Sequence["JSON"] | Mapping[str, "JSON"]


class Events:
    """Writes events as they happen, with secrets masked."""

    def __init__(self, stream: TextIO, secrets: Sequence[str]) -> None:
        self._stream = stream
        self._secrets = tuple(secrets)
        self.abandoned = False
        """Whether the reader has exited.  The cleanup in MLflow runs nevertheless."""

    def emit(self, event: str, **fields: JSON) -> None:
        """Write one event."""
        if self.abandoned:
            return
        try:
            self._stream.write(json.dumps(self._clean({"event": event, **fields})) + "\n")
            self._stream.flush()
        except BrokenPipeError:
            self.abandoned = True

    def _clean(self, value: JSON) -> JSON:
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, "[key]")
            return value
        if isinstance(value, Mapping):
            return {name: self._clean(item) for name, item in value.items()}
        if isinstance(value, Sequence):
            return [self._clean(item) for item in value]
        return value
