"""Copying Terraform's template: what a deployment registers.

Of the template only the image of the gate's container changes, and its secrets are pinned to the
version that they have now.  Otherwise a return to this revision would start the old image with
the new values.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headgate.deploy.ecs.records import Revision
from headgate.deploy.ecs.secret_references import is_pinned
from headgate.errors import HeadgateError

REGISTERED: Final = (
    "family",
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "containerDefinitions",
    "volumes",
    "placementConstraints",
    "requiresCompatibilities",
    "cpu",
    "memory",
    "pidMode",
    "ipcMode",
    "proxyConfiguration",
    "inferenceAccelerators",
    "ephemeralStorage",
    "runtimePlatform",
    "enableFaultInjection",
    "trustedExecutionConfiguration",
)
"""The members of a task definition that ``RegisterTaskDefinition`` takes; a test compares them
with botocore's model.  Tags are given apart."""
READ_ONLY: Final = (
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "deregisteredAt",
    "deleteRequestedAt",
    "registeredBy",
)
"""Those that AWS adds, and does not take."""


class TemplateError(HeadgateError):
    """The template cannot be deployed; the message says what to change in Terraform."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A secret of the gate's container.

    Attributes:
        name: the environment variable.
        before: ``valueFrom`` in the template.
        after: ``valueFrom`` in the copy.
    """

    name: str
    before: str
    after: str

    @property
    def holds(self) -> bool:
        """Whether a return to the revision also restores the value.

        Parameters of SSM have no such reference: ECS always takes the latest value.
        """
        return is_pinned(self.after)


@dataclass(frozen=True, slots=True)
class Copy:
    """What is to be registered.

    Attributes:
        document: for ``ControlPlane.register``.
        pins: the secrets of the gate's container, in its order.
        unknown: members of the template that this version of Headgate does not know, and that
            the copy lacks.
    """

    document: Mapping[str, Any]
    pins: Sequence[Pin]
    unknown: Sequence[str] = ()


def copied(template: Revision, container: str, image: str, pinned: Callable[[str], str]) -> Copy:
    """A copy of the template with another image.

    Args:
        template: what Terraform made last.
        container: the gate's; others stay as they are.
        image: with its digest.
        pinned: see ``ControlPlane.pinned``; asked once for each reference.

    Raises:
        TemplateError: the template has no such container, or is not active.
        PlaneError: a secret cannot be pinned.
    """
    if not template.active:
        raise TemplateError(
            f"the template {template.arn} is {template.document.get('status', 'unknown')}: apply "
            "Terraform again, which registers a new one"
        )
    given = template.document
    document = {
        name: copy.deepcopy(given[name])
        for name in REGISTERED
        if name in given and given[name] is not None
    }
    mine = _container(document, container, template.arn)
    mine["image"] = image
    asked: dict[str, str] = {}
    pins = []
    for secret in mine.get("secrets", ()):
        reference = secret["valueFrom"]
        if reference not in asked:
            asked[reference] = pinned(reference)
        secret["valueFrom"] = asked[reference]
        pins.append(Pin(secret["name"], reference, asked[reference]))
    unknown = sorted(given.keys() - {*REGISTERED, *READ_ONLY})
    return Copy(document, tuple(pins), tuple(unknown))


def _container(document: Mapping[str, Any], name: str, arn: str) -> dict[str, Any]:
    containers: Sequence[dict[str, Any]] = document.get("containerDefinitions", ())
    for each in containers:
        if each.get("name") == name:
            return each
    there = ", ".join(f"'{each.get('name', '')}'" for each in containers)
    raise TemplateError(
        f"the template {arn} has no container '{name}', but {there or 'none'}: give its name with "
        "--container"
    )
