"""The names that Terraform's modules and the commands agree on, from cluster and service alone."""

from __future__ import annotations

from headgate.deploy.ecs.records import Target

GOOD_TAG = "headgate:good"
"""Tag of the service: ``family:number`` of the good revision."""
DEPLOYING_TAG = "headgate:deploying"
"""Tag of the service: who deploys since when; absent if nobody does."""
TEMPLATE_TAG = "headgate:template"
"""Tag of a revision: ``family:number`` of the template that it is a copy of."""
IMAGE_TAG = "headgate:image"
"""Tag of a revision: the digest of its image."""
OPERATOR_TAG = "headgate:operator"
"""Tag of a revision: who registered it."""


def parameter(target: Target, kind: str) -> str:
    """The name in SSM of the service's ``template``, ``journal`` or ``lock``.

    Terraform writes the template; the other two are the commands' own.
    """
    return f"/headgate/{target.cluster}/{target.service}/{kind}"


def short(arn: str) -> str:
    """The last part of an ARN: ``family:number`` of a task definition, the id of a task."""
    return arn.rpartition("/")[2]
