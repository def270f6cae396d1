"""Reading AWS's responses into the records of a deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from headgate.deploy.ecs.records import (
    Deployment,
    DeploymentState,
    Revision,
    Service,
    ServiceEvent,
    Strategy,
    Task,
)

E = TypeVar("E", bound=Enum)


def tags_of(listed: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Tags as a mapping."""
    return {each["key"]: each.get("value", "") for each in listed}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as ECS takes them."""
    return [{"key": key, "value": value} for key, value in tags.items()]


def moment(at: datetime | None) -> float | None:
    """Seconds since the epoch."""
    return None if at is None else at.timestamp()


def _known(kind: type[E], said: str) -> E:
    """A value of ECS's, as this version knows them.

    Raises:
        PlaneError: ECS has learnt another one since.
    """
    try:
        return kind(said)
    except ValueError:
        raise PlaneError(
            PlaneFailure.UNSUPPORTED,
            f"ECS says {said!r}, which this version of Headgate does not know: upgrade Headgate on "
            "this machine",
        ) from None


def service_record(document: Mapping[str, Any]) -> Service:
    """One of ``DescribeServices``."""
    primary: Mapping[str, Any] = next(
        (each for each in document.get("deployments", ()) if each.get("status") == "PRIMARY"), {}
    )
    revision = primary.get("taskDefinition") or document.get("taskDefinition", "")
    configuration = document.get("deploymentConfiguration", {})
    return Service(
        arn=document["serviceArn"],
        revision=revision,
        desired=document.get("desiredCount", 0),
        running=document.get("runningCount", 0),
        pending=document.get("pendingCount", 0),
        strategy=_known(Strategy, configuration.get("strategy", Strategy.ROLLING.value)),
        events=tuple(
            ServiceEvent(each["id"], moment(each.get("createdAt")) or 0.0, each.get("message", ""))
            for each in document.get("events", ())
        ),
        tags=tags_of(document.get("tags", ())),
        document=document,
    )


def deployment_record(document: Mapping[str, Any], definitions: Mapping[str, str]) -> Deployment:
    """One of ``DescribeServiceDeployments``.

    Args:
        document: the element of its list.
        definitions: the task definition of each service revision.
    """
    target = document.get("targetServiceRevision", {}).get("arn", "")
    sources = (each.get("arn", "") for each in document.get("sourceServiceRevisions", ()))
    rollback = document.get("rollback", {})
    began = document.get("startedAt") or document.get("createdAt")
    return Deployment(
        arn=document["serviceDeploymentArn"],
        state=_known(DeploymentState, document["status"]),
        target=definitions.get(target, ""),
        source=tuple(definitions.get(each, "") for each in sources),
        reason=document.get("statusReason", "") or rollback.get("reason", ""),
        stage=document.get("lifecycleStage", ""),
        paused_hooks=tuple(
            each["hookId"]
            for each in document.get("lifecycleHookDetails", ())
            if each.get("targetType") == "PAUSE" and each.get("status") == "AWAITING_ACTION"
        ),
        started_at=moment(began) or 0.0,
        finished_at=moment(document.get("finishedAt") or document.get("stoppedAt")),
        rollback_at=moment(rollback.get("startedAt")),
    )


def service_revisions_of(document: Mapping[str, Any]) -> list[str]:
    """The ARNs of the service revisions that a deployment names."""
    found = [each.get("arn") for each in document.get("sourceServiceRevisions", ())]
    found.append(document.get("targetServiceRevision", {}).get("arn"))
    return [each for each in found if each]


def task_record(document: Mapping[str, Any], container: str) -> Task:
    """One of ``DescribeTasks``.

    Args:
        document: the element of its list.
        container: the name of the gate's container, whose exit code counts.
    """
    mine: Mapping[str, Any] = next(
        (each for each in document.get("containers", ()) if each.get("name") == container), {}
    )
    interfaces = mine.get("networkInterfaces", ())
    addresses = [each["privateIpv4Address"] for each in interfaces if "privateIpv4Address" in each]
    addresses += [
        detail["value"]
        for attachment in document.get("attachments", ())
        for detail in attachment.get("details", ())
        if detail.get("name") == "privateIPv4Address"
    ]
    reasons = [document.get("stoppedReason", ""), mine.get("reason", "")]
    code = mine.get("exitCode")
    if code is not None:
        reasons.append(f"the container '{container}' exited with {code}")
    return Task(
        arn=document["taskArn"],
        revision=document.get("taskDefinitionArn", ""),
        status=document.get("lastStatus", ""),
        health=document.get("healthStatus", "UNKNOWN"),
        address=next(iter(addresses), ""),
        started_at=moment(document.get("startedAt")),
        stopped_reason="; ".join(filter(None, reasons)),
        exit_code=code,
    )


def revision_record(response: Mapping[str, Any]) -> Revision:
    """The response of ``DescribeTaskDefinition`` or ``RegisterTaskDefinition``."""
    document = response["taskDefinition"]
    return Revision(document["taskDefinitionArn"], document, tags_of(response.get("tags", ())))
