"""The page of shields, from ``headgate.shields``."""

from __future__ import annotations

from collections.abc import Iterator

from docs.reference_pages.markdown import GENERATED, table
from headgate.cli.doctor import blocker, lines
from headgate.config import ShieldRule
from headgate.shields import RULES
from headgate.shields.vulnerabilities import Vulnerability, known_up_to, read_vulnerabilities

_INTRODUCTION = """# Shields

Rules that stop requests of the shape of MLflow's published vulnerabilities, whoever sends them and
whatever version of MLflow is behind the gate. All of them are on unless `shields.disabled` names
them; [the page about them](../explanation/shields.md) says what they cannot do.

A refusal names its shield, as does `detail` in the access log.

"""
_VULNERABILITIES = f"""
## Published vulnerabilities

What `headgate doctor cve --url URL` knows: what was published up to {known_up_to()}. *Free of it*
are releases that sources name; where they differ, the later one stands here, and where they name
none, nothing does.

"""
_EXAMPLE = "3.4.0"
_REPORT = f"""
## The report

What it prints for MLflow {_EXAMPLE}; `--json` has the same for programs. The exit code is 1 if an
upgrade is needed.

```text
"""


def page() -> str:
    """The whole page."""
    found = read_vulnerabilities()
    header = ("Id", "Free of it", "What it allows", "Blocked by", "Note")
    rows = (_row(each) for each in found)
    return (
        GENERATED
        + _INTRODUCTION
        + "".join(_section(rule) for rule in ShieldRule)
        + _VULNERABILITIES
        + table(header, rows)
        + _REPORT
        + "".join(f"{line}\n" for line in lines(_EXAMPLE, found))
        + "```\n"
    )


def _section(rule: ShieldRule) -> str:
    about = RULES[rule]
    return f"\n## `{rule}`\n\n" + "".join(f"- {line}\n" for line in _lines(rule, about.reason))


def _lines(rule: ShieldRule, reason: str | None) -> Iterator[str]:
    about = RULES[rule]
    yield f"**Blocks**: {about.blocks}"
    yield f"**Looks at**: {about.looks_at}"
    if reason is not None:
        said = about.sentence.format(field="FIELD", allowed="PREFIXES", excess="EXCEEDS A BOUND")
        yield f"**Answers** `{reason}`: “{said}. {about.cure}”"
    ids = [each.id for each in read_vulnerabilities() if each.by is rule]
    yield f"**Known as**: {', '.join(ids)}"


def _row(each: Vulnerability) -> tuple[str, ...]:
    by = blocker(each)
    return (
        each.id,
        " and ".join(each.fixed),
        each.what,
        f"{'in part: ' if each.partly else ''}{by}" if by else "nothing",
        each.note,
    )
