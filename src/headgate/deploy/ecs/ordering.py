"""What is ordered, and what is known so far, of a deployment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from headgate.deploy.ecs.journal import Good
from headgate.deploy.ecs.records import Deployment, Revision, Service, Traffic


@dataclass(frozen=True, slots=True)
class Prepared:
    """A revision to be registered.

    Attributes:
        image: with its digest.
        template: the ARN of the revision that it is a copy of.
    """

    document: Mapping[str, Any]
    tags: Mapping[str, str]
    image: str
    template: str


Prepare = Callable[[str], Prepared]
"""Makes the document of the new revision from an image."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the operator wants.

    Attributes:
        image: the gate's image, by tag or digest.
        watch: seconds for which the traffic is watched afterwards; 0 for none.
        timeout: seconds for the deployment, and again for a way back.
        upgrade: whether the key store is upgraded by a task of its own first.
        accept_current: take what runs now as good without verifying it.
    """

    image: str
    watch: float = 600.0
    timeout: float = 1800.0
    upgrade: bool = True
    accept_current: bool = False


@dataclass(slots=True)
class Facts:
    """What is known so far, for the report."""

    service: Service
    operator: str
    image: str = ""
    good: Good | None = None
    revision: Revision | None = None
    deployment: Deployment | None = None
    before: Traffic | None = None
    after: Traffic | None = None

    def document(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "operator": self.operator,
            "image": self.image,
            "from": self.service.revision,
            "good": self.good.revision if self.good else "",
            "revision": self.revision.arn if self.revision else "",
            "deployment": self.deployment.arn if self.deployment else "",
            "ecs_seconds_back": self.deployment.seconds_back if self.deployment else 0.0,
            "traffic": {"before": _traffic(self.before), "after": _traffic(self.after)},
        }


def _traffic(found: Traffic | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "requests": found.requests,
        "server_errors": found.server_errors,
        "error_rate": found.error_rate,
        "p99_seconds": found.p99,
    }
