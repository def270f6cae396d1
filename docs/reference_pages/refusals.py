"""The page of what is refused and why: the sentences as they stand in the code, with their cures.

The sentences of the parsers are read from the sources, so that none can be left out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from docs.reference_pages.markdown import GENERATED, table
from headgate.config import ShieldRule
from headgate.errors import REASONS, Fault
from headgate.model import Reason
from headgate.shields import RULES
from headgate.shields.vulnerabilities import read_vulnerabilities

SOURCE: Final = Path(__file__).parents[2] / "src" / "headgate"

_INTRODUCTION = """# What Headgate refuses, and why

Headgate refuses what it cannot read in one way only, what a key may not do, and the shapes of
MLflow's published vulnerabilities. Each refusal says what was refused, why, and what to do;
MLflow's client prints that sentence. Search this page for a part of the sentence.

Every refusal of the gate bears its [reason code](reason-codes.md) in `X-Headgate-Reason` and an
`X-Request-ID`, under which the access log has it (`reason`, `phase`, `detail`). A response without
`X-Headgate-Reason` is MLflow's own. Words in capitals stand for what depends on the request.

Two tools show the same decision without a client: `headgate explain METHOD PATH` says where a
request leads and which grant it needs, and `headgate doctor` what is wrong between the gate and
MLflow.
"""


class Sentence(NamedTuple):
    """One sentence of a refusal, with its cure if it has one of its own."""

    what: str
    cure: str = ""


class Group(NamedTuple):
    """Refusals that have their reason in common.

    Attributes:
        title: the heading.
        why: what would happen otherwise, and the source of the rule.
        cure: for those that have none of their own.
        settings: what changes the rule, as Markdown; empty if nothing does.
        modules: where the sentences stand, below ``src/headgate``.
    """

    title: str
    why: str
    cure: str
    settings: str
    modules: tuple[str, ...]


GROUPS: Final = (
    Group(
        "Requests that are not HTTP/1.1, or not clearly so",
        "Where two programs on the path disagree about where a request ends, one client can put a "
        "request of its own before another's (request smuggling, RFC 9112 sections 9.3 and 11.2). "
        "So the gate takes exactly RFC 9112 and nothing that some servers tolerate.",
        "Send the request with an HTTP library; look for a proxy before the gate that changes it.",
        "`limits.head_bytes` and `limits.headers` bound the head; nothing switches the rules off.",
        ("wire/head.py", "wire/request.py", "wire/request_fields.py", "wire/body.py"),
    ),
    Group(
        "Paths that two programs read differently",
        "MLflow answers `//api/…`, `/%2Fapi/…` and `%67et` as if they were the plain route, and "
        "decodes the paths of artifacts again (`mlflow.utils.uri.validate_path_is_safe`). A gate "
        "that judged one spelling would let MLflow execute another: CVE-2023-6831, CVE-2023-6909, "
        "CVE-2024-1560.",
        "Write the path without it. Names of artifacts may hold spaces, `#`, `%` and letters of "
        "any alphabet, percent-encoded once, as MLflow's client does it.",
        "None.",
        ("wire/target.py", "wire/escapes.py", "decide/pipeline.py"),
    ),
    Group(
        "Queries that MLflow reads differently",
        "MLflow ignores a parameter in another spelling than its own and goes on without it, so "
        "that a filter by experiment becomes none.",
        "Write the parameter exactly as MLflow's documentation does, percent-encoded as UTF-8.",
        "None.",
        ("contract/query.py", "contract/reader.py"),
    ),
    Group(
        "Bodies that MLflow reads differently",
        "Of a field given twice MLflow takes the last, `experimentId` and `experiment_id` are one "
        "field to it, and compressed JSON is none at all (`mlflow.server.handlers."
        "_get_request_message`). What is decided on has to be what MLflow acts on. Only bodies "
        "that a shield or a narrowed grant has to see are read; all others stream through unread.",
        "Send the body as MLflow's client does: one JSON object in UTF-8, uncompressed, each field "
        "once, as `Content-Type: application/json`.",
        "None.",
        (
            "contract/body.py",
            "contract/messages.py",
            "contract/get_message.py",
            "decide/object_names.py",
            "decide/examination.py",
        ),
    ),
    Group(
        "Trace exports",
        "MLflow files a span under the trace and the experiment that the export names, and follows "
        "the locations that it sets. An export that two parsers read differently would be judged "
        "for one trace and filed under another.",
        "Send it with an OpenTelemetry exporter, plain or compressed with gzip or deflate.",
        "None.",
        (
            "contract/inflate.py",
            "contract/otlp.py",
            "contract/otlp_json.py",
            "contract/otlp_protobuf.py",
            "shields/exports.py",
        ),
    ),
)
# What these modules refuse is what MLflow sends, and it is told as a failure of the upstream.
OF_RESPONSES: Final = frozenset({"wire/response.py", "dataplane/connections/upstream.py"})
# What they refuse is timing and capacity: the table of reason codes has it.
OF_CAPACITY: Final = frozenset({"dataplane/client.py"})
_ACTS: Final = {
    Fault.CLIENT: "change the request",
    Fault.GATE: "the gate's operator finds the cause in the sentence or the log",
    Fault.UPSTREAM: "MLflow's operator finds the cause in the sentence",
    Fault.NOBODY: "nothing",
}


def page() -> str:
    """The whole page."""
    return GENERATED + _INTRODUCTION + "".join(_parts())


def _parts() -> Iterator[str]:
    for group in GROUPS:
        yield f"\n## {group.title}\n\n{group.why}\n\n"
        yield f"- **What to do**: {group.cure}\n- **Settings**: {group.settings}\n\n"
        rows = [(_shown(each.what), each.cure or "see above") for each in sentences(group.modules)]
        yield table(("Refused", "What to do"), rows)
    yield _shields()
    yield _permissions()
    yield _codes()


def sentences(modules: Sequence[str]) -> list[Sentence]:
    """The sentences of the refusals of some modules, in the order of the code."""
    found = {each: None for name in modules for each in _of_module(SOURCE / name)}
    return [
        Sentence(what[:1].upper() + what[1:], cure)
        for what, cure in found
        if not what.startswith("the response")  # MLflow's
    ]


def _of_module(path: Path) -> Iterator[Sentence]:
    tree = ast.parse(path.read_text("utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    found = [
        (node.lineno, node.args[0])
        for node in calls
        if isinstance(node.func, ast.Name) and node.func.id in ("ambiguous", "ProtocolError")
    ]
    if path.name == "escapes.py":  # they follow "the path"
        found += _returned(tree)
    for _, node in sorted(found, key=lambda each: each[0]):
        text = _text(node)
        if text and not text.startswith(("the path WHAT", "the path FOUND", "the path LOOSE")):
            what, _, cure = text.partition("; ")
            yield Sentence(what, cure[:1].upper() + cure[1:])


def _returned(tree: ast.Module) -> list[tuple[int, ast.expr]]:
    """What functions return that say what is wrong with a path."""
    found: list[tuple[int, ast.expr]] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant):
            continue
        value = node.value
        if isinstance(value, str) and value.startswith(("has ", "is ")) and len(value) < 80:
            found.append((node.lineno, ast.Constant(f"the path {value}")))
    return found


def _text(node: ast.expr) -> str:
    """A text as it stands in the code, names in capitals for what is filled in; or nothing."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_part, node.values))
    return ""


def _part(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else _placeholder(part)


def _placeholder(node: ast.expr) -> str:
    names = [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]
    attributes = [each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)]
    telling = [each for each in attributes if each != "decode"] or names
    return telling[0].strip("_").upper() if telling else "N"


def _shown(text: str) -> str:
    return text.replace("<", "&lt;")


def _shields() -> str:
    rows = []
    for rule in ShieldRule:
        about = RULES[rule]
        if about.reason is None:
            continue
        said = about.sentence.format(field="FIELD", allowed="PREFIXES", excess="PROBLEM")
        ids = [each.id for each in read_vulnerabilities() if each.by is rule]
        settings = ", ".join(f"`{each}`" for each in (*about.settings, "shields.disabled"))
        why = f"{about.blocks} {', '.join(ids)}"
        rows.append((f"`{rule}`", said[:1].upper() + said[1:], why, about.cure, settings))
    header = ("Shield", "Refused", "Why", "What to do", "Settings")
    return (
        "\n## The shapes of published vulnerabilities\n\n"
        "For every key, an administrator's too, and whatever MLflow's version: "
        "[the shields](shields.md), and [what they cannot do](../explanation/shields.md).\n\n"
        + table(header, rows)
    )


_PERMISSIONS = """
## What a key may not do

- **Refused**: a request without a good key ({unauthenticated}), one that no grant of the key allows
  ({forbidden}), and a path that is no route of MLflow's ({unknown}).
- **Why**: MLflow itself asks nobody who they are. What is not known to be allowed is refused; an
  object whose name cannot be found out belongs to no grant that is narrowed to names.
- **What to do**: the sentence names the grant that the request needs. `headgate keys list` shows
  what a key has, [Grant permissions](../how-to/grant-permissions.md) how to give it more.
- **Settings**: the [roles](roles.md).
"""


def _permissions() -> str:
    return _PERMISSIONS.format(
        unauthenticated=_code(Reason.UNAUTHENTICATED),
        forbidden=_code(Reason.FORBIDDEN),
        unknown=_code(Reason.ROUTE_UNKNOWN),
    )


def _codes() -> str:
    rows = [
        (
            f"`{reason}`",
            str(rule.status),
            rule.meaning,
            ("try again; " if rule.retryable else "") + _ACTS[rule.fault],
        )
        for reason, rule in REASONS.items()
        if rule.status >= 400 and rule.status != 499
    ]
    return (
        "\n## Every code\n\nLimits, and failures between the gate and MLflow, are refused with "
        "one of these; the sentence has the figures and names the setting.\n\n"
        + table(("Code", "Status", "Meaning", "What to do"), rows)
    )


def _code(reason: Reason) -> str:
    return f"`{reason}`, {REASONS[reason].status}"
