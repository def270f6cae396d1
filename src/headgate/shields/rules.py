"""What each shield blocks, and its message; the other modules implement them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from headgate.config.shields import ShieldRule
from headgate.contract.messages import INVALID
from headgate.errors import Refusal
from headgate.reasons import Reason


@dataclass(frozen=True, slots=True)
class Rule:
    """One shield.

    Attributes:
        blocks: the class of vulnerability, for the documentation.
        looks_at: the requests that it checks.
        reason: of its refusals; ``None`` for a shield that changes responses and refuses nothing.
        sentence: the message of a refusal; ``{field}`` is the name of the field.
        cure: what the client or the operator can do.
        settings: the settings that change what it allows, except ``shields.disabled``.
    """

    blocks: str
    looks_at: str
    reason: Reason | None
    sentence: str
    cure: str
    settings: tuple[str, ...] = ()


_OF_VALUES: Final = frozenset(
    {
        ShieldRule.TRAVERSAL,
        ShieldRule.STORED_LOCATION,
        ShieldRule.ESCAPED_NAME,
        ShieldRule.PRIVATE_TARGET,
    }
)
"""The shields that refuse the value of a parameter; MLflow's error code is ``INVALID``."""

RULES: Final[Mapping[ShieldRule, Rule]] = {
    ShieldRule.TRAVERSAL: Rule(
        "Reading, writing or deleting files outside the artifact store by path traversal.",
        "Artifact paths in the path, the query and the body, the file name of a multipart upload, "
        "run and experiment ids in the query, the target of the deployments proxy.",
        Reason.REQUEST_AMBIGUOUS,
        "{field} is not a plain path below its folder, or becomes another one when decoded",
        "Write it without '..', NUL, drive letter, scheme, leading slash, and without encoding a "
        "slash twice.",
    ),
    ShieldRule.STORED_LOCATION: Rule(
        "Reading and writing files, and running code, through a location that MLflow stores and "
        "opens later.",
        "`artifact_location`, `source` and the roots of workspaces, whatever tags the request has; "
        "the tags with the location of a trace's data, in requests that start, end or tag a trace, "
        "and as attributes in trace exports.",
        Reason.FORBIDDEN,
        "{field} is not an allowed location of artifacts: it must start with {allowed}, without "
        "any of # ? ; % \\ or '..'",
        "Omit it to use the default, or ask the administrator to add its prefix to "
        "shields.locations.",
        ("shields.locations",),
    ),
    ShieldRule.ESCAPED_NAME: Rule(
        "Two names that are equal after decoding, so that one is mistaken for the other.",
        "New names of experiments and registered models; percent-escapes only in those of models.",
        Reason.REQUEST_AMBIGUOUS,
        "{field} contains {excess}",
        "Choose a name without it.",
    ),
    ShieldRule.PRIVATE_TARGET: Rule(
        "Making the server send requests into its own network (SSRF).",
        "Addresses in bodies that configure webhooks, secrets, model definitions and endpoints of "
        "the AI gateway.",
        Reason.FORBIDDEN,
        "{field} names an address within the server's own network",
        "Use the name of a public host, or ask the administrator to add it to shields.targets.",
        ("shields.targets",),
    ),
    ShieldRule.SCORER: Rule(
        "Running code of a module that a scorer names, and making the server send requests to any "
        "address in a scorer's arguments (SSRF).",
        "`serialized_scorer` in requests that register, invoke or evaluate scorers or submit them "
        "to a job: the exact name of the module, and arguments that set a destination, at any "
        "depth.",
        Reason.FORBIDDEN,
        "{field} {excess}",
        "Register scorers with MLflow's own client, and set the model's address on the server, as "
        "an AI gateway endpoint or in the provider's environment variables.",
        ("shields.targets",),
    ),
    ShieldRule.GRAPHQL_BOUNDS: Rule(
        "Overloading the server with one query (denial of service).",
        "GraphQL queries.",
        Reason.FORBIDDEN,
        "the GraphQL query {excess}",
        "Request less in one query.",
    ),
    ShieldRule.ARTIFACT_RESPONSE: Rule(
        "Scripts in artifacts that run as a page of MLflow (stored XSS).",
        "Answers that carry an artifact: `X-Content-Type-Options`, `Content-Security-Policy` and "
        "`Content-Disposition` are added where MLflow has not set them.",
        None,
        "",
        "",
    ),
    ShieldRule.ASSISTANT: Rule(
        "Running programs on the server's machine through MLflow's assistant.",
        "Every route of the assistant, including for administrators.",
        Reason.FORBIDDEN,
        "MLflow's assistant, which runs tools on the server's own machine, is switched off here",
        "The administrator can switch it on with shields.assistant.",
        ("shields.assistant",),
    ),
}
"""Every shield, in the order of the documentation."""


def refusal(rule: ShieldRule, **facts: str) -> Refusal:
    """The refusal of ``rule``; ``facts`` fill in its sentence and contain nothing of a body.

    Raises:
        ValueError: the rule refuses nothing.
    """
    about = RULES[rule]
    if about.reason is None:
        raise ValueError(f"{rule} refuses nothing")
    said = about.sentence.format(**facts)
    return Refusal(
        about.reason,
        f"Headgate refused the request (shield {rule}): {said}. {about.cure}",
        detail=f"shield {rule}",
        error_code=INVALID if rule in _OF_VALUES else "",
    )


def misplaced_trace(what: str) -> Refusal:
    """The refusal of ``stored-location`` for ``what`` if it moves the data of a trace."""
    rule = ShieldRule.STORED_LOCATION
    return Refusal(
        Reason.FORBIDDEN,
        f"Headgate refused the request (shield {rule}): {what} sets a location of a trace's data "
        "that is not the one MLflow itself created. Omit it: MLflow sets it itself.",
        detail=f"shield {rule}",
    )


def no_address(field: str) -> Refusal:
    """The refusal of ``private-target`` for a value that is not an address."""
    rule = ShieldRule.PRIVATE_TARGET
    return Refusal(
        Reason.REQUEST_AMBIGUOUS,
        f"Headgate refused the request (shield {rule}): {field} is blank, or not a URL with a "
        "host. Use a URL such as https://hooks.example.com/path.",
        detail=f"shield {rule}",
        error_code="INVALID_PARAMETER_VALUE",
    )
