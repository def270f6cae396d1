"""References to secrets in a task definition (``valueFrom``).

Source: docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html:
``arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME:JSON_KEY:STAGE:VERSION_ID``, of which the last
three may be left out or empty, and stage and version exclude each other.  Anything else names a
parameter of SSM, of which ECS always takes the latest version.
"""

from __future__ import annotations

from dataclasses import dataclass

_PARTS_OF_ARN = 7


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A reference to a secret of Secrets Manager.

    Attributes:
        secret: its ARN.
        key: which member of a JSON value; empty for the whole value.
        stage: the staging label; empty for ``AWSCURRENT``.
        version: the version's id; empty if the label decides.
    """

    secret: str
    key: str = ""
    stage: str = ""
    version: str = ""

    @classmethod
    def read(cls, reference: str) -> SecretReference | None:
        """Take a reference apart; None if it names a parameter of SSM."""
        parts = reference.split(":")
        if len(parts) < _PARTS_OF_ARN or parts[0] != "arn" or parts[2] != "secretsmanager":
            return None
        rest = [*parts[_PARTS_OF_ARN:], "", "", ""]
        return cls(":".join(parts[:_PARTS_OF_ARN]), rest[0], rest[1], rest[2])

    def at_version(self, version: str) -> str:
        """The reference to this version, which no rotation changes."""
        return f"{self.secret}:{self.key}::{version}"


def is_pinned(reference: str) -> bool:
    """Whether the value can no longer change."""
    parts = SecretReference.read(reference)
    return parts is not None and bool(parts.version)
