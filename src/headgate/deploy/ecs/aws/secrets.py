"""Pinning secrets: the version that they have now."""

from __future__ import annotations

from headgate.deploy.ecs import permissions
from headgate.deploy.ecs.aws.calls import Calls
from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from headgate.deploy.ecs.secret_references import SecretReference

CURRENT = "AWSCURRENT"


class Secrets:
    """Versions of Secrets Manager; values are never read."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def pinned(self, reference: str) -> str:
        """See ``ControlPlane``."""
        parts = SecretReference.read(reference)
        if parts is None or parts.version:
            return reference
        stage = parts.stage or CURRENT
        response = self._calls.ask(
            permissions.SECRET, f"secret '{parts.secret}'", SecretId=parts.secret
        )
        if response.get("DeletedDate"):
            raise PlaneError(
                PlaneFailure.INACTIVE,
                f"the secret '{parts.secret}' is being deleted: restore it with aws "
                "secretsmanager restore-secret, or name another in the template",
            )
        for version, stages in response.get("VersionIdsToStages", {}).items():
            if stage in stages:
                return parts.at_version(version)
        raise PlaneError(
            PlaneFailure.NOT_FOUND,
            f"the secret '{parts.secret}' has no version {stage}: store a value in it first, with "
            "aws secretsmanager put-secret-value",
        )
