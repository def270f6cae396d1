"""What ECS says of the state, in the form of its responses.  Times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate.testing.ecs.constants import Constants
from headgate.testing.ecs.model import FakeDeployment, FakeService, FakeTask, arn
from headgate.testing.ecs.tasks import Tasks

MAXIMUM_EVENTS = 100


def task(found: FakeTask) -> dict[str, Any]:
    """An element of ``DescribeTasks``."""
    containers = [
        {
            "containerArn": arn("ecs", f"container/{found.cluster}/{found.id}/{index}"),
            "taskArn": found.arn,
            "name": each.name,
            "lastStatus": "RUNNING" if each.exit_code is None else "STOPPED",
            "exitCode": each.exit_code,
            "healthStatus": found.health,
            "networkInterfaces": [{"privateIpv4Address": found.address}],
        }
        for index, each in enumerate(found.containers)
    ]
    return {
        "taskArn": found.arn,
        "clusterArn": arn("ecs", f"cluster/{found.cluster}"),
        "taskDefinitionArn": found.definition.arn,
        "group": f"service:{found.service}" if found.service else f"family:{found.family}",
        "launchType": "FARGATE",
        "lastStatus": found.status,
        "desiredStatus": found.desired,
        "healthStatus": found.health,
        "createdAt": found.began,
        "startedAt": found.ran,
        "stoppingAt": found.stopping,
        "stoppedAt": found.ended,
        "stoppedReason": found.reason or None,
        "stopCode": found.stop_code or None,
        "containers": containers,
        "attachments": [
            {
                "id": found.id,
                "type": "ElasticNetworkInterface",
                "status": "ATTACHED",
                "details": [{"name": "privateIPv4Address", "value": found.address}],
            }
        ],
    }


def service(found: FakeService, tasks: Tasks, *, tags: bool) -> dict[str, Any]:
    """An element of ``DescribeServices``, and the response of ``UpdateService``."""
    mine = tasks.of(found)
    primary = found.deployment or found.steady
    if primary is not None and primary.rolling_back and found.steady is not None:
        primary = found.steady
    listed = [] if primary is None else [_entry(found, primary, tasks, "PRIMARY")]
    others = [each for each in (found.deployment, found.steady) if each not in (None, primary)]
    listed += [_entry(found, each, tasks, "ACTIVE") for each in others if each is not None]
    return {
        **found.document,
        "serviceArn": found.arn,
        "serviceName": found.name,
        "clusterArn": arn("ecs", f"cluster/{found.cluster}"),
        "status": "ACTIVE",
        "desiredCount": found.desired,
        "runningCount": sum(each.is_up for each in mine),
        "pendingCount": sum(not each.is_up for each in mine),
        "launchType": "FARGATE",
        "taskDefinition": None if primary is None else primary.target.arn,
        "deployments": listed,
        "events": found.events[:MAXIMUM_EVENTS],
        "createdAt": found.created,
        "deploymentController": {"type": "ECS"},
        "schedulingStrategy": "REPLICA",
        "tags": found.tags if tags else None,
    }


def _entry(
    found: FakeService, deployment: FakeDeployment, tasks: Tasks, status: str
) -> Mapping[str, Any]:
    mine = tasks.of(found, deployment.number)
    rollout = "COMPLETED" if deployment is found.steady else "IN_PROGRESS"
    if deployment.rolling_back or deployment.status == "STOPPED":
        rollout = "FAILED"
    return {
        "id": f"ecs-svc/{deployment.number:019d}",
        "status": status,
        "taskDefinition": deployment.target.arn,
        "desiredCount": found.desired if status == "PRIMARY" else len(mine),
        "pendingCount": sum(not each.is_up for each in mine),
        "runningCount": sum(each.is_up for each in mine),
        "failedTasks": deployment.failed,
        "createdAt": deployment.created,
        "updatedAt": deployment.finished or deployment.created,
        "launchType": "FARGATE",
        "rolloutState": rollout,
        "rolloutStateReason": deployment.reason or f"ECS deployment {deployment.id} {rollout}.",
    }


def deployment_arn(of: FakeService, deployment: FakeDeployment) -> str:
    """The ARN of a service deployment."""
    return arn("ecs", f"service-deployment/{of.cluster}/{of.name}/{deployment.id}")


def revision_arn(of: FakeService, number: int) -> str:
    """The ARN of the service revision that a deployment brought."""
    return arn("ecs", f"service-revision/{of.cluster}/{of.name}/{number:019d}")


def brief(of: FakeService, deployment: FakeDeployment) -> dict[str, Any]:
    """An element of ``ListServiceDeployments``."""
    return {
        "serviceDeploymentArn": deployment_arn(of, deployment),
        "serviceArn": of.arn,
        "clusterArn": arn("ecs", f"cluster/{of.cluster}"),
        "startedAt": deployment.created,
        "createdAt": deployment.created,
        "finishedAt": deployment.finished or deployment.stopped,
        "targetServiceRevisionArn": revision_arn(of, deployment.number),
        "status": deployment.status,
        "statusReason": deployment.reason or None,
    }


def deployment(
    of: FakeService, found: FakeDeployment, tasks: Tasks, constants: Constants
) -> dict[str, Any]:
    """An element of ``DescribeServiceDeployments``."""
    breaker = found.configuration.get("deploymentCircuitBreaker", {})
    threshold = constants.breaker(of.desired)
    sources = [] if found.source is None else [_source_number(of, found)]
    rollback = None
    if found.rollback_began is not None:
        rollback = {
            "reason": found.rollback_reason,
            "startedAt": found.rollback_began,
            "serviceRevisionArn": revision_arn(of, sources[0]) if sources else None,
        }
    status = "MONITORING_COMPLETE" if found.is_final else "MONITORING"
    if found.failed >= threshold:
        status = "TRIGGERED"
    return {
        "serviceDeploymentArn": deployment_arn(of, found),
        "serviceArn": of.arn,
        "clusterArn": arn("ecs", f"cluster/{of.cluster}"),
        "createdAt": found.created,
        "startedAt": found.created,
        "finishedAt": found.finished,
        "stoppedAt": found.stopped,
        "updatedAt": found.finished or found.stopped or found.created,
        "sourceServiceRevisions": [_counts(of, each, tasks) for each in sources],
        "targetServiceRevision": _counts(of, found.number, tasks),
        "status": found.status,
        "statusReason": found.reason or None,
        "lifecycleStage": found.stage or None,
        "lifecycleHookDetails": found.hooks or None,
        "deploymentConfiguration": found.configuration or None,
        "rollback": rollback,
        "deploymentCircuitBreaker": {
            "status": status if breaker.get("enable") else "DISABLED",
            "failureCount": found.failed,
            "threshold": threshold,
        },
        "alarms": _alarms(found),
    }


def _alarms(found: FakeDeployment) -> dict[str, Any] | None:
    alarms = found.configuration.get("alarms")
    if not alarms or not alarms.get("enable"):
        return None
    return {
        "status": "TRIGGERED" if found.alarms_triggered else "MONITORING",
        "alarmNames": alarms["alarmNames"],
        "triggeredAlarmNames": found.alarms_triggered,
    }


def _source_number(of: FakeService, found: FakeDeployment) -> int:
    before = [each for each in of.deployments if each.number < found.number]
    good = [each.number for each in before if each.status == "SUCCESSFUL"]
    return max(good, default=0)


def _counts(of: FakeService, number: int, tasks: Tasks) -> dict[str, Any]:
    mine = tasks.of(of, number)
    return {
        "arn": revision_arn(of, number),
        "requestedTaskCount": of.desired,
        "runningTaskCount": sum(each.is_up for each in mine),
        "pendingTaskCount": sum(not each.is_up for each in mine),
    }
