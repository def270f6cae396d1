"""What each shield blocks and what it says; the shields themselves are in the modules beside."""

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
        looks_at: the requests it concerns.
        reason: of its refusals; none where it changes responses and refuses nothing.
        sentence: what a person is told; ``{field}`` is where the trouble stands.
        cure: what to do about it.
        settings: what of the configuration changes what passes, but for ``shields.disabled``.
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
"""The shields that refuse the value of a parameter; MLflow's word for that is ``INVALID``."""

RULES: Final[Mapping[ShieldRule, Rule]] = {
    ShieldRule.TRAVERSAL: Rule(
        "Reading, writing or deleting files outside the artifact store by a path that climbs out.",
        "Paths of artifacts in the path, the query and the body, the name of a file that is "
        "uploaded in parts, run and experiment ids in the query, the target of the deployments "
        "proxy.",
        Reason.REQUEST_AMBIGUOUS,
        "{field} is no plain path below its folder, however often it is decoded",
        "Give it without '..', NUL, drive letter, scheme, or a slash in front or under a further "
        "encoding.",
    ),
    ShieldRule.STORED_LOCATION: Rule(
        "Reading and writing files, and running code, through a location that MLflow stores and "
        "follows later.",
        "`artifact_location`, `source` and the roots of workspaces, whatever tags a request "
        "carries; the tags in which MLflow keeps where the data of a trace lie, in requests that "
        "begin, end or tag one, and as attributes in trace exports.",
        Reason.FORBIDDEN,
        "{field} is not a location that artifacts may lie at here: it must begin with {allowed}, "
        "without any of # ? ; % \\ or '..'",
        "Leave it out for the default, or ask the administrator to add its prefix to "
        "shields.locations.",
        ("shields.locations",),
    ),
    ShieldRule.ESCAPED_NAME: Rule(
        "Two names that are one after decoding, so that the one is taken for the other.",
        "New names of experiments and registered models; percent-escapes in those of models alone.",
        Reason.REQUEST_AMBIGUOUS,
        "{field} holds {excess}",
        "Choose a name without it.",
    ),
    ShieldRule.PRIVATE_TARGET: Rule(
        "Making the server send requests into its own network (SSRF).",
        "Addresses in the bodies that set up webhooks, secrets, model definitions and endpoints of "
        "the AI gateway.",
        Reason.FORBIDDEN,
        "{field} names an address within the server's own network",
        "Use the name of a public host, or ask the administrator to add it to shields.targets.",
        ("shields.targets",),
    ),
    ShieldRule.SCORER: Rule(
        "Running code of a module that a scorer names, and making the server send requests "
        "anywhere by a scorer's arguments (SSRF).",
        "`serialized_scorer` where scorers are registered, invoked, used for an evaluation and "
        "handed to a job: the module, by its exact name, and the arguments that choose a "
        "destination, at any depth.",
        Reason.FORBIDDEN,
        "{field} {excess}",
        "Register scorers with MLflow's own client, and set the model's address on the server, as "
        "an AI gateway endpoint or in the provider's environment variables.",
        ("shields.targets",),
    ),
    ShieldRule.GRAPHQL_BOUNDS: Rule(
        "Keeping the server busy with one query (denial of service).",
        "GraphQL queries.",
        Reason.FORBIDDEN,
        "the GraphQL query {excess}",
        "Ask for less at a time.",
    ),
    ShieldRule.ARTIFACT_RESPONSE: Rule(
        "Scripts in artifacts that run as a page of MLflow's (stored XSS).",
        "Answers that carry an artifact: `X-Content-Type-Options`, `Content-Security-Policy` and "
        "`Content-Disposition` are added where MLflow has not set them.",
        None,
        "",
        "",
    ),
    ShieldRule.ASSISTANT: Rule(
        "Running programs on the server's machine through MLflow's assistant.",
        "Every route of the assistant, even for administrators.",
        Reason.FORBIDDEN,
        "MLflow's assistant, which runs tools on the server's own machine, is switched off here",
        "The administrator can switch it on with shields.assistant.",
        ("shields.assistant",),
    ),
}
"""Every shield, in the order of the documentation."""


def refusal(rule: ShieldRule, **facts: str) -> Refusal:
    """What ``rule`` answers; ``facts`` fill the gaps of its sentence and hold nothing of a body.

    Raises:
        ValueError: for a rule that refuses nothing.
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
    """What the shield ``stored-location`` says of ``what`` that leads a trace elsewhere."""
    rule = ShieldRule.STORED_LOCATION
    return Refusal(
        Reason.FORBIDDEN,
        f"Headgate refused the request (shield {rule}): {what} says where the data of a trace lie, "
        "and not that they lie where MLflow itself has put them. Leave it out: MLflow sets it "
        "itself.",
        detail=f"shield {rule}",
    )


def no_address(field: str) -> Refusal:
    """What the shield ``private-target`` says of a text that is no address: the client's slip."""
    rule = ShieldRule.PRIVATE_TARGET
    return Refusal(
        Reason.REQUEST_AMBIGUOUS,
        f"Headgate refused the request (shield {rule}): {field} is blank, or no URL whose host can "
        "be told. Give a URL such as https://hooks.example.com/path.",
        detail=f"shield {rule}",
        error_code="INVALID_PARAMETER_VALUE",
    )
