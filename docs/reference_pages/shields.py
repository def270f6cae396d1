"""The page of shields, from ``headgate.shields``."""

from __future__ import annotations

from collections.abc import Iterator

from docs.reference_pages.markdown import GENERATED, table
from headgate.cli.doctor import blocker, lines
from headgate.config import ShieldRule
from headgate.shields import RULES
from headgate.shields.vulnerabilities import Vulnerability, known_up_to, read_vulnerabilities

_INTRODUCTION = """# Shields

Shields block requests that have the shape of MLflow's published vulnerabilities, for every key and
every version of MLflow. All of them are on unless you list them in `shields.disabled`.
[Shields](../explanation/shields.md) explains how they work and what they cannot do.

The message of a refusal names the shield, and so does `detail` in the access log.

"""
_VULNERABILITIES = f"""
## Published vulnerabilities

`headgate doctor cve --url URL` knows the vulnerabilities that were published up to
{known_up_to()}. *Fixed in* has the releases that the sources name; if they differ, the later one;
if they name none, nothing.

"""
_EXAMPLE = "3.4.0"
_REPORT = f"""
## The report

The output of `headgate doctor cve` for MLflow {_EXAMPLE}. `--json` prints the same for programs.
The exit code is 1 if the server needs an upgrade.

```text
"""


def page() -> str:
    """The whole page."""
    found = read_vulnerabilities()
    header = ("Id", "Fixed in", "What it allows", "Blocked by", "Note")
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
    yield f"**Checks**: {about.looks_at}"
    if reason is not None:
        said = about.sentence.format(field="FIELD", allowed="PREFIXES", excess="EXCEEDS A BOUND")
        yield f"**Refuses with** `{reason}`: “{said}. {about.cure}”"
    ids = [each.id for each in read_vulnerabilities() if each.by is rule]
    yield f"**Blocks the vulnerabilities**: {', '.join(ids)}"


def _row(each: Vulnerability) -> tuple[str, ...]:
    by = blocker(each)
    return (
        each.id,
        " and ".join(each.fixed),
        each.what,
        f"{'in part: ' if each.partly else ''}{by}" if by else "nothing",
        each.note,
    )
