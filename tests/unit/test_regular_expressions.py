"""No text makes one of the gate's regular expressions cost more than in proportion to its length.

Each pattern of the sources is found and judged by its own structure, and tried on texts that go
round each of its loops.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from headgate.config import Shields
from headgate.contract import classify
from headgate.decide.resolver import Resolver
from headgate.model import NOBODY, ObjectKind, Principal
from headgate.shields import Shield
from headgate_verify import advice
from tests.support.backtracking import UnprovableError, analyse
from tests.support.patterns import RunTime, UnknownPatternError, Used, used_patterns

SOURCE = Path(__file__).parents[2] / "src"
PACKAGES = ("headgate", "headgate_verify")
AT_RUN_TIME = {
    # Pipeline: the public prefixes as they are configured.
    "b'(?:%b)(?=/|$)' % b'|'.join(map(re.escape, longest_first))": RunTime(
        (b"(?:/api/mlflow|/mlflow)(?=/|$)", b"(?:/m/a|/m|/ml)(?=/|$)", b"(?:)(?=/|$)")
    ),
    # Reader: the names of the fields of a message.
    "b'\\\\?(?:(?:%b)=[^&]*+(?:&|\\\\Z))*+' % spelled": RunTime(
        (
            rb"\?(?:(?:path|run_id|run_ids|run_ids\[\])=[^&]*+(?:&|\Z))*+",
            rb"\?(?:(?:a|ab|b)=[^&]*+(?:&|\Z))*+",
        ),
        "fullmatch",
    ),
    "text_rule.pattern": RunTime([rule.pattern for rule in advice.TEXT_RULES]),
}
WITHOUT = ("headgate.testing",)
"""Doubles for tests, a pattern that holds a worker still on purpose among them."""

TURNS = (4, 8, 12, 16, 20, 24)
"""How often a text goes round a loop: few times more each time, as some double with each turn."""
LENGTHS = (1024, 16384)
SLOW_SECONDS = 0.03  # the longest text takes a linear pattern 1 to 3 ms

OLD_PLAIN_QUERY = (
    rb"\?(?:(?:[a-z_]+=[A-Za-z0-9_\-]*"
    rb"|(?:[a-z_]+_)?path=(?:[A-Za-z0-9_\-]+(?:(?:/|%2F|\.|\+|%20)[A-Za-z0-9_\-]+)*)?)(?:&|$))*"
)


@cache
def every_pattern() -> tuple[Used, ...]:
    return tuple(used_patterns(SOURCE, PACKAGES, AT_RUN_TIME, WITHOUT))


def processor_seconds(function: Callable[[], object]) -> float:
    """The least of three: what another process does to the caches does not count."""
    found = []
    for _ in range(3):
        before = time.thread_time()
        function()
        found.append(time.thread_time() - before)
        if found[-1] < SLOW_SECONDS:
            break
    return min(found)


def slow_text(used: Used) -> str:
    """The text that makes a pattern cost more than a linear one does, or nothing."""
    pattern = re.compile(used.pattern, used.flags)
    method = getattr(pattern, "finditer" if used.how == "search" else used.how)
    for text in texts(used):
        encoded = text.encode("latin-1") if isinstance(used.pattern, bytes) else text
        if processor_seconds(partial(try_on, method, encoded)) > SLOW_SECONDS:
            return text
    return ""


def try_on(method: Callable[[Any], Any], text: str | bytes) -> None:
    found = method(text)
    if found is not None and not isinstance(found, re.Match):
        for _ in found:
            pass


def texts(used: Used) -> Iterator[str]:
    analysis = analyse(used.pattern, used.flags, used.how)
    pumps = {*analysis.pumps, *((found.prefix, found.pump) for found in analysis.findings)}
    ends = ["", *analysis.characters]
    for turns in TURNS:
        for prefix, pump in sorted(pumps):
            yield from (prefix + pump * turns + end for end in ends)
    for length in LENGTHS:
        for prefix, pump in sorted(pumps):
            turns = length // len(pump)
            yield from (prefix + pump * turns + end for end in ends)


def test_every_pattern_is_found() -> None:
    """As many calls of ``re.compile`` as a plain search of the sources finds, and more."""
    calls = sum(
        len(re.findall(r"\bre\.compile\(", path.read_text("utf-8")))
        for package in PACKAGES
        for path in (SOURCE / package).rglob("*.py")
        if "testing" not in path.parts
    )
    found = {used.where for used in every_pattern()}
    assert len(found) >= calls > 50


def test_every_pattern_is_proven_linear() -> None:
    troubles = []
    for used in every_pattern():
        try:
            findings = analyse(used.pattern, used.flags, used.how).findings
        except UnprovableError as error:
            troubles.append(f"{used.where}: {used.pattern!r}: {error}")
            continue
        troubles += [f"{used.where}: {used.pattern!r} ({used.how}): {each}" for each in findings]
    assert not troubles, "\n".join(troubles)


def test_no_text_round_a_loop_is_slow() -> None:
    slow = {used.where: text for used in every_pattern() if (text := slow_text(used))}
    assert not slow


@pytest.mark.parametrize(
    ("pattern", "how"),
    [
        (OLD_PLAIN_QUERY, "fullmatch"),
        (r"mlflow-artifacts:/+(?![^/]*:)([^?#]*)", "fullmatch"),
        (r"(a+)+b", "match"),
        (r"(?:a|ab|b)*c", "match"),
        (r"a*a*b", "match"),
        (r"(?i)(?:a|A)*b|a*", "fullmatch"),
        (r"\s+$", "search"),
        (r"a++b", "search"),
        (r"(?>a*b|a)*+c", "match"),
        (r"(?:a(?!a*b))*c", "match"),
        (r"<(b)\b.*?</\1>", "search"),
        (r"(?:a*)*b", "match"),
        (r"(?:a?){20}b", "match"),
        (r"\d+\.\d+[\d.]*x", "fullmatch"),
    ],
)
def test_a_planted_pattern_is_found(pattern: str | bytes, how: str) -> None:
    """The analysis fails for what is known to be slow."""
    if how != "fullmatch" or pattern != r"(?i)(?:a|A)*b|a*":
        with pytest.raises((UnprovableError, AssertionError)):
            assert not analyse(pattern, 0, how).findings
    else:  # one class only, so one way: what is fast must not be refused either
        assert not analyse(pattern, 0, how).findings


@pytest.mark.parametrize(
    ("pattern", "how"),
    [
        (r"a*+a*b", "match"),
        (r"[a-z]+(?:\.[a-z]+)*", "fullmatch"),
        (r"\s+", "search"),
        (r'(?<![^\s"])[^\s"]+(?!\S)', "search"),
        (r"(?>(?:[a-z]+=|path=)(?:&|$))*+", "fullmatch"),
        (r"^\s|\s$", "search"),
        (rb"(?:/[a-z][a-z.]*)+/?|/", "fullmatch"),
    ],
)
def test_a_linear_pattern_passes(pattern: str | bytes, how: str) -> None:
    assert not analyse(pattern, 0, how).findings


@pytest.mark.parametrize("pattern", [OLD_PLAIN_QUERY, r"mlflow-artifacts:/+(?![^/]*:)([^?#]*)"])
def test_the_texts_show_a_planted_pattern(pattern: str | bytes) -> None:
    """The measurement alone would find it too."""
    assert slow_text(Used("planted", pattern, 0, "fullmatch"))


def test_a_pattern_of_unknown_origin_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "headgate"
    package.mkdir()
    module = package / "model.py"  # a name that can be imported
    module.write_text("import re\ndef f(text):\n    return re.search(text, 'a')\n")
    with pytest.raises(UnknownPatternError):
        list(used_patterns(tmp_path, ["headgate"], {}))


@pytest.mark.parametrize("pairs", [22, 2000])
def test_no_query_stops_the_shield(pairs: int) -> None:
    operation = classify(b"GET", b"/api/2.0/mlflow/artifacts/list")
    assert operation is not None
    shield = Shield(Shields())
    query = b"?" + b"path=a&" * pairs + b"path=!"
    assert processor_seconds(lambda: shield.check_query(operation, query)) < 0.1


def test_no_location_stops_the_resolver() -> None:
    async def ask(
        target: str,
        body: bytes = b"",
        workspace: str | None = None,
        principal: Principal = NOBODY,
    ) -> Any:
        raise AssertionError(target)

    lookups = Resolver(ask, lambda: 0.0).lookups()
    location = "mlflow-artifacts:" + "/" * 50_000 + "?"

    def look_up() -> None:
        assert not asyncio.run(lookups.names(ObjectKind.LOCATION, location)).names

    assert processor_seconds(look_up) < 0.2
