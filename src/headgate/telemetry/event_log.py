"""The gate's events as JSON lines on standard error: the same shape as the access log's."""

from __future__ import annotations

import json
import logging
import time
from typing import TextIO

from headgate.telemetry.redact import without_keys


class JsonFormatter(logging.Formatter):
    """One line for each record; an exception is its own field, with its whole trace."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record; control characters are escaped, so that nobody can forge a line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "event": "log",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return without_keys(json.dumps(line))


def configure(stream: TextIO) -> None:
    """Send the gate's own events to ``stream``, and what libraries complain of."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("headgate").setLevel(logging.INFO)
