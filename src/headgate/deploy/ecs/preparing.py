"""What a deployment registers: a copy of Terraform's template with another image."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from headgate.deploy.ecs.names import IMAGE_TAG, OPERATOR_TAG, TEMPLATE_TAG, short
from headgate.deploy.ecs.ordering import Prepare, Prepared
from headgate.deploy.ecs.plane import ControlPlane
from headgate.deploy.ecs.records import Target
from headgate.deploy.ecs.tags import tag_value
from headgate.deploy.ecs.template import copied

Change = Callable[[dict[str, Any]], None]
"""Changes the gate's container in the document."""


def unchanged(_container: dict[str, Any]) -> None:
    """No change beside the image."""


def preparing(
    plane: ControlPlane, target: Target, operator: str, change: Change = unchanged
) -> Prepare:
    """Makes what is registered for an image.

    ``operator`` goes into a tag; ``change`` is of the gate's container, such as a fault to be
    rehearsed.
    """

    def prepare(image: str) -> Prepared:
        template = plane.template()
        digest = plane.image_digest(image)
        made = copied(template, target.container, digest, plane.pinned)
        document: Mapping[str, Any] = copy.deepcopy(dict(made.document))
        for each in document["containerDefinitions"]:
            if each["name"] == target.container:
                change(each)
        tags = {
            TEMPLATE_TAG: short(template.arn),
            IMAGE_TAG: tag_value(digest),
            OPERATOR_TAG: tag_value(operator),
        }
        return Prepared(document, tags, digest, template.arn)

    return prepare
