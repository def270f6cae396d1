"""The settings of the shields."""

from __future__ import annotations

import enum
import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from headgate.config.section import Section, listed

# A scheme, or the root of a file system, with at least a bucket, a host or a folder after it,
# except for schemes that MLflow resolves within its own store.
_WHOLE_SCHEMES = ("mlflow-artifacts:", "runs:/", "models:/")
_LOCATION = re.compile(r"(?:[a-z][a-z0-9+.\-]+:/{0,3}|/)[A-Za-z0-9][^\s#?;%\\]*")
_HOST_NAME = re.compile(r"[a-z0-9_\-]+(?:\.[a-z0-9_\-]+)*")


class ShieldRule(enum.StrEnum):
    """The ids of the shields, as in refusals, in the log and in `shields.disabled`."""

    TRAVERSAL = "traversal"
    STORED_LOCATION = "stored-location"
    ESCAPED_NAME = "escaped-name"
    PRIVATE_TARGET = "private-target"
    SCORER = "scorer"
    GRAPHQL_BOUNDS = "graphql-bounds"
    ARTIFACT_RESPONSE = "artifact-response"
    ASSISTANT = "assistant"


def _checked_location(text: str) -> str:
    unsafe = any(segment in (".", "..") for segment in text.split("/"))
    if text not in _WHOLE_SCHEMES and (unsafe or _LOCATION.fullmatch(text) is None):
        raise ValueError(
            f"{text!r} is not a prefix of locations: use a scheme with a bucket or folder, such as "
            "s3://my-bucket/, without any of # ? ; % .."
        )
    return text


def _checked_target(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        if _HOST_NAME.fullmatch(text.lower()) is None:
            raise ValueError(f"{text!r} is neither a host nor a network") from None
    return text.lower()


Location = Annotated[str, AfterValidator(_checked_location)]
PrivateTarget = Annotated[str, AfterValidator(_checked_target)]


class Shields(Section):
    """Rules that block the shapes of MLflow's published vulnerabilities, for every key."""

    locations: Annotated[tuple[Location, ...], BeforeValidator(listed)] = Field(
        _WHOLE_SCHEMES,
        description="Allowed prefixes of the artifact locations of experiments, model versions and "
        "workspaces. Add your own bucket, such as `s3://my-bucket/`, if MLflow's clients access it "
        "directly.",
    )
    targets: Annotated[tuple[PrivateTarget, ...], BeforeValidator(listed)] = Field(
        (),
        description="Private hosts and networks that webhooks and AI gateway endpoints may use, "
        "such as `10.1.0.0/16` or `localhost`.",
    )
    graphql_depth: int = Field(
        10, ge=1, le=60, description="Maximum nesting of a GraphQL query, including fragments."
    )
    graphql_selections: int = Field(
        1000,
        ge=1,
        le=100_000,
        description="Maximum number of fields that a GraphQL query may select.",
    )
    graphql_aliases: int = Field(
        10, ge=0, le=1000, description="Maximum number of aliases in a GraphQL query."
    )
    graphql_root_fields: int = Field(
        10, ge=1, le=1000, description="Maximum number of root fields of a GraphQL query."
    )
    graphql_length: int = Field(
        65_536,
        ge=256,
        le=1_000_000,
        description="Maximum length of a GraphQL query, in characters.",
    )
    disabled: Annotated[tuple[ShieldRule, ...], BeforeValidator(listed)] = Field(
        (), description="Shields to switch off; the page on shields says what each one blocks."
    )
    assistant: bool = Field(
        False,
        description="Allow administrators to use MLflow's assistant, which runs tools on the "
        "server's own machine.",
    )
