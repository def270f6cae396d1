"""The page of refusals: the messages in the code, with the reason and what to do.

The messages of the parsers are read from the source, so that none can be missing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from docs.reference_pages.markdown import GENERATED, table
from docs.reference_pages.token_refusals import section
from headgate.config import ShieldRule
from headgate.reasons import Fault, Reason
from headgate.shields import RULES
from headgate.shields.vulnerabilities import read_vulnerabilities

SOURCE: Final = Path(__file__).parents[2] / "src" / "headgate"

_INTRODUCTION = """# What Headgate refuses, and why

Headgate refuses requests that two programs could read differently, requests that the key may not
send, and the shapes of MLflow's published vulnerabilities. The message of each refusal says what
was refused, why, and what to do; MLflow's client prints it. Search this page for a part of the
message.

Every refusal has its [reason code](reason-codes.md) in `X-Headgate-Reason`, and an `X-Request-ID`.
Search the access log for this id: its line has `reason`, `phase` and `detail`. A response without
`X-Headgate-Reason` is MLflow's own. On this page, words in capitals stand for values of the
request.

Two commands help without sending a request: `headgate explain METHOD PATH` shows where a request
would be forwarded and which grant it needs. `headgate doctor` tests the connection between the
gate and MLflow.
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
        "Requests that are not valid HTTP/1.1, or are ambiguous",
        "If two programs on the request path disagree about where a request ends, a client can "
        "insert a request before another client's (request smuggling, RFC 9112 sections 9.3 and "
        "11.2). So the gate accepts exactly RFC 9112, without the deviations that some servers "
        "tolerate.",
        "Send the request with an HTTP library. Look for a proxy in front of the gate that "
        "changes it.",
        "`limits.head_bytes` and `limits.headers` limit the head. The rules cannot be switched "
        "off.",
        ("wire/head.py", "wire/request.py", "wire/request_fields.py", "wire/body.py"),
    ),
    Group(
        "Paths that two programs read differently",
        "MLflow treats `//api/…`, `/%2Fapi/…` and `%67et` like the plain route, and decodes the "
        "paths of artifacts again (`mlflow.utils.uri.validate_path_is_safe`). If the gate decided "
        "on one spelling, MLflow could execute another: CVE-2023-6831, CVE-2023-6909, "
        "CVE-2024-1560.",
        "Write the path without it. Names of artifacts may contain spaces, `#`, `%` and letters of "
        "any alphabet, percent-encoded once, as MLflow's client encodes them.",
        "None.",
        ("wire/target.py", "wire/escapes.py", "decide/routing.py"),
    ),
    Group(
        "Queries that MLflow reads differently",
        "MLflow ignores a parameter whose spelling differs from its own, so that a filter by "
        "experiment has no effect.",
        "Spell the parameter exactly as in MLflow's documentation, percent-encoded as UTF-8.",
        "None.",
        ("contract/query.py", "contract/reader.py"),
    ),
    Group(
        "Bodies that MLflow reads differently",
        "MLflow uses the last of two fields with the same name, treats `experimentId` and "
        "`experiment_id` as one field, and does not read compressed JSON (`mlflow.server.handlers."
        "_get_request_message`). The gate has to decide on exactly what MLflow acts on. It reads "
        "only bodies that a shield or a narrowed grant needs; it streams all others unread.",
        "Send the body as MLflow's client does: one JSON object in UTF-8, uncompressed, with each "
        "field once, as `Content-Type: application/json`.",
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
        "MLflow stores a span under the trace and the experiment that the export names, and opens "
        "the locations that it sets. If two parsers read an export differently, the gate could "
        "decide on one trace and MLflow store the spans under another.",
        "Send the export with an OpenTelemetry exporter, uncompressed or with gzip or deflate.",
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
# These modules refuse responses of MLflow, which are reported as failures of the upstream.
OF_RESPONSES: Final = frozenset({"wire/response.py", "dataplane/connections/upstream.py"})
# These refuse because of timing and capacity: the table of reason codes has them.
OF_CAPACITY: Final = frozenset({"dataplane/client.py"})
_ACTS: Final = {
    Fault.CLIENT: "change the request",
    Fault.GATE: "the gate's operator: the message or the log has the cause",
    Fault.UPSTREAM: "MLflow's operator: the message has the cause",
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
    yield section(lambda node: _shown(_text(node)))
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
        "\n## The shapes of published vulnerabilities\n\nThe [shields](shields.md) apply to every "
        "key, including an administrator's, and to every version of MLflow. [What they cannot "
        "do](../explanation/shields.md) lists their limits.\n\n" + table(header, rows)
    )


_PERMISSIONS = """
## What a key may not do

- **Refused**: a request without a valid key ({unauthenticated}), a request that no grant of the key
  allows ({forbidden}), and a request for a path that is not an MLflow route ({unknown}).
- **Why**: MLflow itself does not authenticate its users. The gate refuses what no grant allows. A
  grant that is narrowed to names does not cover an object whose name the gate cannot look up.
- **What to do**: the message names the grant that the request needs. `headgate keys list` shows the
  roles of a key; [Grant permissions](../how-to/grant-permissions.md) explains how to change them.
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
            str(reason.status),
            reason.meaning,
            ("try again; " if reason.retryable else "") + _ACTS[reason.fault],
        )
        for reason in Reason
        if reason.status >= 400 and reason.status != 499
    ]
    return (
        "\n## All codes\n\nThe gate refuses requests over a limit, and requests that fail between "
        "the gate and MLflow, with one of these codes; the message has the values and names the "
        "setting.\n\n" + table(("Code", "Status", "Meaning", "What to do"), rows)
    )


def _code(reason: Reason) -> str:
    return f"`{reason}`, {reason.status}"
