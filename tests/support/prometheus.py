"""A strict reader of Prometheus' text format, version 0.0.4.

It takes less than Prometheus does: every family has its HELP and TYPE before its samples, no
family comes twice, no series twice, and histograms are whole and cumulative.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

_HELP = re.compile(r"# HELP ([a-z_]+) ((?:[^\\\n]|\\\\|\\n)+)")
_TYPE = re.compile(r"# TYPE ([a-z_]+) (counter|gauge|histogram)")
_SAMPLE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\+Inf|-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)")
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,|$)')
_ESCAPE = re.compile(r"\\(.)")
_PARTS = ("_bucket", "_sum", "_count")

Labels = frozenset[tuple[str, str]]


class FormatError(AssertionError):
    """The text is not in the format."""


@dataclass
class Family:
    """One metric: its kind, its help, and its samples by full name and labels."""

    name: str
    kind: str
    text: str
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)

    def value(self, **labels: str) -> float:
        """The value of one series, 0 when there is none."""
        return self.samples.get((self.name, frozenset(labels.items())), 0.0)

    def total(self, **labels: str) -> float:
        """The sum of all series that have these labels."""
        wanted = set(labels.items())
        return sum(value for (_, have), value in self.samples.items() if wanted <= have)


def parse(text: str) -> dict[str, Family]:
    """Read a whole page.

    Raises:
        FormatError: it is not in the format.
    """
    if not text.endswith("\n"):
        raise FormatError("the last line has no end")
    families: dict[str, Family] = {}
    current: Family | None = None
    lines = iter(text.split("\n")[:-1])
    for line in lines:
        if line.startswith("#"):
            current = _family(line, next(lines, ""))
            if current.name in families:
                raise FormatError(f"{current.name} comes twice")
            families[current.name] = current
        elif current is None:
            raise FormatError(f"a sample without a family: {line!r}")
        else:
            _take(current, line)
    for family in families.values():
        if family.kind == "histogram":
            _check_histogram(family)
    return families


def _family(help_line: str, type_line: str) -> Family:
    described, typed = _HELP.fullmatch(help_line), _TYPE.fullmatch(type_line)
    if described is None or typed is None or described[1] != typed[1]:
        raise FormatError(f"no HELP and TYPE of one name: {help_line!r}, {type_line!r}")
    return Family(typed[1], typed[2], described[2])


def _take(family: Family, line: str) -> None:
    match = _SAMPLE.fullmatch(line)
    if match is None:
        raise FormatError(f"no sample: {line!r}")
    allowed = [family.name + part for part in _PARTS]
    if match[1] not in (allowed if family.kind == "histogram" else [family.name]):
        raise FormatError(f"{match[1]} among the samples of {family.name}")
    series = match[1], _labels(match[2] or "")
    if series in family.samples:
        raise FormatError(f"a series comes twice: {line!r}")
    family.samples[series] = float(match[3])


def _labels(text: str) -> Labels:
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _LABEL.match(text, at)
        if match is None or match[1] in found:
            raise FormatError(f"labels: {text!r}")
        found[match[1]] = _ESCAPE.sub(
            lambda escape: {"n": "\n"}.get(escape[1], escape[1]), match[2]
        )
        at = match.end()
    if text.endswith(","):
        raise FormatError(f"labels: {text!r}")
    return frozenset(found.items())


def _check_histogram(family: Family) -> None:
    buckets: dict[Labels, list[tuple[float, float]]] = {}
    for (name, labels), value in family.samples.items():
        if name.endswith("_bucket"):
            bounds = [text for key, text in labels if key == "le"]
            if len(bounds) != 1:
                raise FormatError(f"a bucket of {family.name} without its bound")
            rest = frozenset(label for label in labels if label[0] != "le")
            buckets.setdefault(rest, []).append((float(bounds[0]), value))
    others = {labels for name, labels in family.samples if not name.endswith("_bucket")}
    if others != set(buckets):
        raise FormatError(f"a sum or count of {family.name} without buckets, or the reverse")
    for labels, found in buckets.items():
        count = family.samples.get((family.name + "_count", labels))
        total = family.samples.get((family.name + "_sum", labels))
        bounds_in_order = [bound for bound, _ in found]
        counts = [value for _, value in found]
        if bounds_in_order != sorted(set(bounds_in_order)) or bounds_in_order[-1] != math.inf:
            raise FormatError(f"the bounds of {family.name} are {bounds_in_order}")
        if counts != sorted(counts) or counts[-1] != count or total is None or total < 0:
            raise FormatError(f"{family.name} is not cumulative: {found}, {count}, {total}")
