"""The families of routes, in one table: what grants are given for and metrics are counted by.

A new family takes a row here and its routes in ``headgate/contract/rules.txt``; roles, grants,
metrics, messages and the reference pages are derived from the two.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from headgate.model.operation import ObjectKind
from headgate.model.request_class import AI_GATEWAY, ARTIFACTS, TRACES, RequestClass


class Area(enum.Enum):
    """Which of the built-in roles work with a family (``headgate.policy.roles``)."""

    TRACKING = "tracking"  # viewer reads it; writer changes and removes it
    REGISTRY = "registry"  # viewer reads it; publisher changes and removes it
    SHARED = "shared"  # viewer reads it; only admin changes it
    ADMINISTRATION = "administration"  # for admin alone


@dataclass(frozen=True, slots=True)
class Family:
    """A family of routes.

    Attributes:
        covers: what its routes are about, for the documentation.
        area: which built-in roles work with it.
        noun: its name in sentences; empty: the name of the family, a plain plural.
        is_singular: ``noun`` names one thing.
        narrowed_by: the kinds of object that a grant for it may be narrowed to.  Its objects lie
            in an experiment, or belong to a registered model.  A family whose operations only
            name such an object beside what they act on is not narrowed by it: an endpoint of the
            AI gateway names the experiment that it reports to, and a key that may do anything in
            that experiment may not therefore create endpoints.
        per_workspace: its operations act within the workspace that a request names; otherwise on
            a whole server.
        per_upstream: its operations act on an upstream.
        calls_out: its objects hold addresses that MLflow's server calls.
        gate_pages: its routes are Headgate's own pages.
        request_class: whose rate its operations are held to; by default reads or writes.
    """

    covers: str
    area: Area
    noun: str = ""
    is_singular: bool = False
    narrowed_by: tuple[ObjectKind, ...] = ()
    per_workspace: bool = True
    per_upstream: bool = True
    calls_out: bool = False
    gate_pages: bool = False
    request_class: RequestClass | None = None


_EXPERIMENT: Final = (ObjectKind.EXPERIMENT,)
_MODEL: Final = (ObjectKind.MODEL,)

FAMILIES: Final[Mapping[str, Family]] = MappingProxyType(
    {
        "experiments": Family(
            "Experiments and their tags.", Area.TRACKING, narrowed_by=_EXPERIMENT
        ),
        "runs": Family(
            "Runs with their parameters, metrics, tags, inputs and outputs; GraphQL.",
            Area.TRACKING,
            narrowed_by=_EXPERIMENT,
        ),
        "metrics": Family("The history of metrics.", Area.TRACKING, narrowed_by=_EXPERIMENT),
        "models": Family(
            "Registered models, prompts among them, and their versions.",
            Area.REGISTRY,
            narrowed_by=_MODEL,
        ),
        "artifacts": Family(
            "Files: list, upload, download and remove them.",
            Area.TRACKING,
            narrowed_by=_EXPERIMENT + _MODEL,
            request_class=ARTIFACTS,
        ),
        "logged-models": Family(
            "Logged models.",
            Area.TRACKING,
            noun="logged models",
            narrowed_by=_EXPERIMENT,
        ),
        "traces": Family(
            "Traces, and their export by OpenTelemetry.",
            Area.TRACKING,
            narrowed_by=_EXPERIMENT,
            request_class=TRACES,
        ),
        "assessments": Family(
            "Assessments of traces, issues, label schemas and review queues.",
            Area.TRACKING,
            narrowed_by=_EXPERIMENT,
        ),
        "datasets": Family(
            "Evaluation data sets and their records.",
            Area.TRACKING,
            narrowed_by=_EXPERIMENT,
        ),
        "scorers": Family(
            "Scorers, and what the server evaluates with them.",
            Area.TRACKING,
            narrowed_by=_EXPERIMENT,
        ),
        "prompts": Family("Optimization of prompts, MCP servers and skills.", Area.REGISTRY),
        "webhooks": Family("Addresses that MLflow calls.", Area.ADMINISTRATION, calls_out=True),
        "ai-gateway": Family(
            "MLflow's AI gateway: calls of models, and what they are set up with.",
            Area.SHARED,
            noun="the AI gateway",
            is_singular=True,
            calls_out=True,
            request_class=AI_GATEWAY,
        ),
        "jobs": Family("Jobs of MLflow's server.", Area.ADMINISTRATION, per_workspace=False),
        "assistant": Family(
            "MLflow's assistant, which has tools on the server's machine.",
            Area.ADMINISTRATION,
            noun="the assistant",
            is_singular=True,
            per_workspace=False,
        ),
        "workspaces": Family("MLflow's workspaces.", Area.SHARED, per_workspace=False),
        "auth-admin": Family(
            "The users and permissions of MLflow's own basic-auth application.",
            Area.ADMINISTRATION,
            noun="MLflow's users and permissions",
            per_workspace=False,
        ),
        "ui": Family(
            "MLflow's web pages and their files.",
            Area.SHARED,
            noun="MLflow's pages",
            per_workspace=False,
        ),
        "meta": Family(
            "The server's version, and who sends the request.",
            Area.SHARED,
            noun="the server's version and health",
            per_workspace=False,
        ),
        "gate": Family(
            "Headgate's own pages: health, metrics and the admin API.",
            Area.SHARED,
            noun="the gate's own pages",
            per_workspace=False,
            per_upstream=False,
            gate_pages=True,
        ),
    }
)
"""Every family by its name, MLflow's and Headgate's own; metrics and pages keep this order."""
