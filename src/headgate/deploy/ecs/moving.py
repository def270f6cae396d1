"""Moving a service to a revision, also where AWS's response is lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from headgate.deploy.ecs.errors import PlaneError
from headgate.deploy.ecs.records import Deployment
from headgate.deploy.ecs.watching import POLL, Site

_ATTEMPTS: Final = 3


def moved(site: Site, revision: str, configuration: Mapping[str, Any] | None) -> Deployment:
    """Update the service to a revision; the deployment that began.

    Without a response it is looked up whether a deployment began all the same, before the update
    is repeated.

    Raises:
        PlaneError: AWS refuses, or does not respond.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return site.plane.update(revision, configuration)
        except PlaneError as error:
            if not error.retryable or attempt == _ATTEMPTS - 1:
                raise
            site.say(f"the update got no response, which is looked up and tried again: {error}")
        site.clock.sleep(POLL)
        begun = deployment_of(site, revision)
        if begun is not None:
            return begun
    raise AssertionError("unreachable")


def deployment_of(site: Site, revision: str) -> Deployment | None:
    """The latest deployment, if it brings or brought this revision.

    Raises:
        PlaneError: AWS refuses to say.
    """
    latest = next(iter(site.plane.deployments()), None)
    if latest is None or latest.target != revision or latest.state.is_final:
        return None
    return latest
