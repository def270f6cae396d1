"""Log lines for a person at a terminal, made of those for programs.

So both forms say the same, and what is masked in one is masked in the other.  Control characters
and whatever is not ASCII stay escaped as in JSON: no client can forge a line or send a terminal
anything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as quote
from typing import Any, Final

_RESET: Final = "\x1b[0m"
_DIM: Final = "\x1b[2m"
_RED: Final = "\x1b[31m"
_GREEN: Final = "\x1b[32m"
_YELLOW: Final = "\x1b[33m"
_CYAN: Final = "\x1b[36m"
_BY_LEVEL: Final = {"debug": _DIM, "info": _GREEN, "warning": _YELLOW, "error": _RED}
_BY_STATUS: Final = {2: _GREEN, 3: _CYAN, 4: _YELLOW}
_SHOWN_BY_EVENTS: Final = frozenset({"time", "event", "level", "logger", "message", "exception"})


def is_coloured(fd: int, environment: Mapping[str, str]) -> bool:
    """Whether what is written to ``fd`` is to have colours.

    That is a terminal that knows them, unless ``NO_COLOR`` is set (https://no-color.org).
    """
    if environment.get("NO_COLOR") or environment.get("TERM") == "dumb":
        return False
    return os.isatty(fd)


class Console:
    """Makes lines for a person of JSON lines.

    Args:
        colours: whether with escape sequences for colours (ECMA-48).
    """

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def line(self, line: str) -> str:
        """The line for a person of one line of a log; an exception takes several."""
        record: dict[str, Any] = json.loads(line)
        shown = self._request(record) if record["event"] == "request" else self._event(record)
        return f"{self._in(_DIM, record['time'][11:])} {shown}\n"

    def _request(self, record: Mapping[str, Any]) -> str:
        status = record["status"]
        colour = _RED if status < 200 else _BY_STATUS.get(status // 100, _RED)
        parts = [
            self._in(colour, str(status or "---")),
            f"{record['method'] or '-':<6}",
            _plain(record["path"]),
            f"{record['duration_ms']}ms",
            _plain(record["principal"]) or "-",
            _plain(record["client"]),
        ]
        if record["endpoint"]:
            upstream = f"{_plain(record.get('upstream', ''))}/{_plain(record['endpoint'])}"
            parts.append(f"-> {upstream} {record['upstream_ms']}ms")
        parts += [
            f"after {each['cause']} at {each['endpoint']}" for each in record.get("retries", ())
        ]
        if "fault" in record:
            parts.append(self._in(colour, f"{record['reason']} ({record['fault']}):"))
            parts += [_plain(record[name]) for name in ("message", "detail") if record.get(name)]
        parts.append(self._in(_DIM, _plain(record["request_id"])))
        if "lines_dropped" in record:
            parts.append(self._in(_RED, f"{record['lines_dropped']} lines lost before this one"))
        return " ".join(parts)

    def _event(self, record: Mapping[str, Any]) -> str:
        level, logger = record["level"], record["logger"].removeprefix("headgate.")
        fields = " ".join(
            f"{name}={_value(value)}"
            for name, value in record.items()
            if name not in _SHOWN_BY_EVENTS
        )
        text = (
            f"{self._in(_BY_LEVEL.get(level, _RED), f'{level:<7}')} {_plain(logger)}: "
            f"{_plain(record['message'])} {self._in(_DIM, fields)}"
        )
        for each in record.get("exception", "").splitlines():
            text += f"\n    {_plain(each)}"
        return text

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_RESET}" if self._colours else text


def _plain(text: str) -> str:
    """The text as JSON writes it, without quotation marks around it and before those in it."""
    return quote(text)[1:-1].replace('\\"', '"')


def _value(value: object) -> str:
    return _plain(value) if isinstance(value, str) else json.dumps(value)
