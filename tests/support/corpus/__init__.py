"""Hostile and odd requests, and what must become of each."""

from __future__ import annotations

from tests.support.corpus import chunks, fields, framing, lines, pipelines
from tests.support.corpus.case import Case

CORPUS: tuple[Case, ...] = (
    *framing.CASES,
    *chunks.CASES,
    *fields.CASES,
    *lines.CASES,
    *pipelines.CASES,
)
