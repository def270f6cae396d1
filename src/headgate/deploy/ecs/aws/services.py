"""The service in ECS, its deployments and its tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headgate.deploy.clock import Clock
from headgate.deploy.ecs import permissions
from headgate.deploy.ecs.aws.calls import Calls
from headgate.deploy.ecs.aws.records import (
    deployment_record,
    service_record,
    service_revisions_of,
    task_record,
)
from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from headgate.deploy.ecs.names import short
from headgate.deploy.ecs.records import Deployment, Service, Target, Task

NAMES_SHOWN = 8
DEPLOYMENTS_A_CALL = 20
REVISIONS_A_CALL = 20
TASKS_A_CALL = 100
BEGIN_SECONDS = 60.0
"""How long ECS may take to list the deployment that ``UpdateService`` began."""
BEGIN_INTERVAL = 2.0


class Services:
    """One service, found by the names of its cluster and its own."""

    def __init__(self, calls: Calls, target: Target, clock: Clock) -> None:
        self._calls = calls
        self._target = target
        self._clock = clock
        self._name = f"service '{target.service}' of cluster '{target.cluster}'"
        self._of = {"cluster": target.cluster, "service": target.service}

    def service(self) -> Service:
        """See ``ControlPlane``."""
        target = self._target
        try:
            response = self._calls.ask(
                permissions.SERVICE,
                self._name,
                cluster=target.cluster,
                services=[target.service],
                include=["TAGS"],
            )
        except PlaneError as error:
            if error.failure is PlaneFailure.NOT_FOUND:
                raise self._no_cluster() from error
            raise
        found = response.get("services", ())
        if not found:
            raise self._no_service()
        document = found[0]
        if document.get("status", "ACTIVE") != "ACTIVE":
            raise PlaneError(
                PlaneFailure.INACTIVE,
                f"{self._name} in {self._calls.region} is {document['status']}: it was deleted; "
                "make it again with Terraform, or name another with --service",
            )
        controller = document.get("deploymentController", {}).get("type", "ECS")
        if controller != "ECS":
            raise PlaneError(
                PlaneFailure.UNSUPPORTED,
                f"{self._name} is deployed by {controller}, not by ECS: its "
                "deployment_controller must be of type ECS",
            )
        return service_record(document)

    def deployments(self, limit: int) -> Sequence[Deployment]:
        """See ``ControlPlane``."""
        listed = sorted(self._list(), key=lambda each: each["createdAt"], reverse=True)
        return self._describe([each["serviceDeploymentArn"] for each in listed[:limit]])

    def deployment(self, arn: str) -> Deployment:
        """See ``ControlPlane``."""
        found = self._describe([arn])
        if not found:
            raise PlaneError(
                PlaneFailure.NOT_FOUND,
                f"there is no deployment {short(arn)} of {self._name} in {self._calls.region}: "
                "ECS keeps the deployments of the last 90 days",
            )
        return found[0]

    def update(self, revision: str, configuration: Mapping[str, Any] | None) -> Deployment:
        """See ``ControlPlane``.

        The deployment is found by what was not there before and brings this revision, so that
        one which somebody else begins in the same moment is not taken for it.
        """
        before = {each["serviceDeploymentArn"] for each in self._list()}
        extra = {} if configuration is None else {"deploymentConfiguration": configuration}
        self._calls.ask(
            permissions.UPDATE, self._name, **self._of, taskDefinition=revision, **extra
        )
        end = self._clock.monotonic() + BEGIN_SECONDS
        while True:
            listed = [each["serviceDeploymentArn"] for each in self._list()]
            fresh = [each for each in listed if each not in before]
            mine = [each for each in self._describe(fresh) if each.target == revision]
            if mine:
                return max(mine, key=lambda each: each.started_at)
            if self._clock.monotonic() >= end:
                raise PlaneError(
                    PlaneFailure.OTHER,
                    f"ECS took the revision {short(revision)} for {self._name}, and has begun no "
                    f"deployment of it within {BEGIN_SECONDS:.0f} s: it may be running it already, "
                    "or somebody else has moved the service; see headgate ecs status",
                    retryable=True,
                )
            self._clock.sleep(BEGIN_INTERVAL)

    def stop(self, deployment: str) -> None:
        """See ``ControlPlane``."""
        self._calls.ask(
            permissions.STOP,
            f"deployment {short(deployment)} of {self._name}",
            serviceDeploymentArn=deployment,
            stopType="ROLLBACK",
        )

    def proceed(self, deployment: str, hook: str, *, roll_back: bool) -> None:
        """See ``ControlPlane``."""
        self._calls.ask(
            permissions.PROCEED,
            f"deployment {short(deployment)} of {self._name}",
            serviceDeploymentArn=deployment,
            hookId=hook,
            action="ROLLBACK" if roll_back else "CONTINUE",
        )

    def tasks(self, *, stopped: bool) -> Sequence[Task]:
        """See ``ControlPlane``."""
        arns = list(
            self._calls.pages(
                permissions.LIST_TASKS,
                f"tasks of {self._name}",
                "taskArns",
                "nextToken",
                cluster=self._target.cluster,
                serviceName=self._target.service,
                desiredStatus="STOPPED" if stopped else "RUNNING",
                maxResults=TASKS_A_CALL,
            )
        )
        return [task for part in _parts(arns, TASKS_A_CALL) for task in self.described(part)]

    def described(self, arns: Sequence[str]) -> Sequence[Task]:
        """At most 100 tasks; those that ECS has forgotten are left out."""
        response = self._calls.ask(
            permissions.TASKS, f"tasks of {self._name}", cluster=self._target.cluster, tasks=arns
        )
        return [task_record(each, self._target.container) for each in response.get("tasks", ())]

    def tag(self, tags: Mapping[str, str | None]) -> None:
        """See ``ControlPlane``."""
        arn = self.service().arn
        kept = [{"key": key, "value": value} for key, value in tags.items() if value is not None]
        gone = [key for key, value in tags.items() if value is None]
        if kept:
            self._calls.ask(permissions.TAG, self._name, resourceArn=arn, tags=kept)
        if gone:
            self._calls.ask(permissions.UNTAG, self._name, resourceArn=arn, tagKeys=gone)

    def _list(self) -> list[Mapping[str, Any]]:
        return list(
            self._calls.pages(
                permissions.LIST_DEPLOYMENTS,
                f"deployments of {self._name}",
                "serviceDeployments",
                "nextToken",
                **self._of,
                maxResults=100,
            )
        )

    def _describe(self, arns: Sequence[str]) -> list[Deployment]:
        documents = [
            document
            for part in _parts(arns, DEPLOYMENTS_A_CALL)
            for document in self._calls.ask(
                permissions.DEPLOYMENTS,
                f"deployments of {self._name}",
                serviceDeploymentArns=part,
            ).get("serviceDeployments", ())
        ]
        definitions = self._definitions(
            [arn for document in documents for arn in service_revisions_of(document)]
        )
        by_arn = {
            each["serviceDeploymentArn"]: deployment_record(each, definitions) for each in documents
        }
        return [by_arn[arn] for arn in arns if arn in by_arn]

    def _definitions(self, revisions: Sequence[str]) -> dict[str, str]:
        return {
            each["serviceRevisionArn"]: each.get("taskDefinition", "")
            for part in _parts(list(dict.fromkeys(revisions)), REVISIONS_A_CALL)
            for each in self._calls.ask(
                permissions.SERVICE_REVISIONS,
                f"revisions of {self._name}",
                serviceRevisionArns=part,
            ).get("serviceRevisions", ())
        }

    def _no_cluster(self) -> PlaneError:
        there = self._names(permissions.CLUSTERS, "clusterArns")
        return PlaneError(
            PlaneFailure.NOT_FOUND,
            f"there is no cluster '{self._target.cluster}' in region {self._calls.region}"
            f"{_there('clusters', there)}: look at --cluster, at --region or AWS_REGION, and at "
            "the account of AWS_PROFILE",
        )

    def _no_service(self) -> PlaneError:
        there = self._names(permissions.SERVICES, "serviceArns", cluster=self._target.cluster)
        return PlaneError(
            PlaneFailure.NOT_FOUND,
            f"there is no service '{self._target.service}' in cluster '{self._target.cluster}' in "
            f"region {self._calls.region}{_there('services', there)}: look at --service, "
            "--cluster and --region",
        )

    def _names(self, call: permissions.Call, member: str, **parameters: Any) -> list[str] | None:
        """Names that help to find the right one; None if they may not be listed."""
        try:
            return [
                short(arn)
                for arn in self._calls.pages(call, self._name, member, "nextToken", **parameters)
            ]
        except PlaneError:
            return None


def _there(what: str, names: Sequence[str] | None) -> str:
    if names is None:
        return ""
    if not names:
        return f", which has no {what}"
    shown = ", ".join(f"'{each}'" for each in sorted(names)[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f", which has the {what} {shown}{f' and {more} more' if more > 0 else ''}"


def _parts(arns: Sequence[str], size: int) -> list[Sequence[str]]:
    return [arns[at : at + size] for at in range(0, len(arns), size)]
