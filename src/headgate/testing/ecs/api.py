"""The operations of ECS that the commands ask for."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any

from headgate.testing.ecs import documents
from headgate.testing.ecs.balancer import Balancer
from headgate.testing.ecs.constants import Constants
from headgate.testing.ecs.model import Definition, FakeDeployment, FakeService, FakeTask, arn
from headgate.testing.ecs.rolling import Rolling
from headgate.testing.ecs.shifting import Shifting
from headgate.testing.ecs.tasks import Tasks

PAGE = 10


class ApiError(Exception):
    """An error of ECS's: its code, and the message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Ecs:
    """ECS: its state, and what its operations do to it.

    ``lock`` guards all of it; each operation and each second of the clock holds it.
    """

    def __init__(
        self, constants: Constants, tasks: Tasks, balancer: Balancer, now: Callable[[], float]
    ) -> None:
        self.lock = threading.RLock()
        self.clusters: set[str] = set()
        self.services: dict[tuple[str, str], FakeService] = {}
        self.definitions: dict[str, list[Definition]] = {}
        self.tasks = tasks
        self._constants = constants
        self._rolling = Rolling(constants, tasks)
        self._shifting = Shifting(tasks, balancer)
        self._now = now

    def pass_second(self) -> None:
        """Let a second pass."""
        with self.lock:
            now = self._now()
            self.tasks.pass_second(now, {each.name: each for each in self.services.values()})
            for service in self.services.values():
                self._strategy(service).pass_second(service, now)

    def ring(self, alarm: str) -> None:
        """Let an alarm go into the state ALARM: deployments that name it roll back."""
        with self.lock:
            for service in self.services.values():
                deployment = service.deployment
                alarms = {} if deployment is None else deployment.configuration.get("alarms", {})
                if deployment is None or alarm not in alarms.get("alarmNames", ()):
                    continue
                deployment.alarms_triggered.append(alarm)
                if alarms.get("enable") and alarms.get("rollback"):
                    reason = f"Service deployment rolled back because of the alarm {alarm}."
                    self._strategy(service).begin_rollback(service, self._now(), reason)

    def _strategy(self, service: FakeService) -> Rolling | Shifting:
        deployment = service.deployment or service.steady
        configuration = service.configuration if deployment is None else deployment.configuration
        return (
            self._rolling if configuration.get("strategy", "ROLLING") == "ROLLING"
            else self._shifting
        )  # fmt: skip

    # --- clusters and services -----------------------------------------------------------------

    def list_clusters(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        """``ListClusters``."""
        return {"clusterArns": [arn("ecs", f"cluster/{each}") for each in sorted(self.clusters)]}

    def list_services(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``ListServices``."""
        cluster = self._cluster(request)
        return {
            "serviceArns": [each.arn for (of, _), each in self.services.items() if of == cluster]
        }

    def create_service(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``CreateService``."""
        cluster, name = self._cluster(request), request["serviceName"]
        if (cluster, name) in self.services:
            raise ApiError("InvalidParameterException", "Creation of service was not idempotent.")
        kept = ("deploymentConfiguration", "loadBalancers", "serviceRegistries", "platformVersion",
                "networkConfiguration", "healthCheckGracePeriodSeconds")  # fmt: skip
        service = FakeService(
            name,
            cluster,
            request.get("desiredCount", 1),
            {each: request[each] for each in kept if each in request},
            self._now(),
            tags=list(request.get("tags", ())),
        )
        self.services[cluster, name] = service
        self._deploy(service, self._definition(request["taskDefinition"]))
        return {"service": documents.service(service, self.tasks, tags=True)}

    def describe_services(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``DescribeServices``."""
        cluster = self._cluster(request)
        found, missing = [], []
        for each in request["services"]:
            service = self.services.get((cluster, _last(each)))
            if service is None:
                missing.append({"arn": arn("ecs", f"service/{each}"), "reason": "MISSING"})
            else:
                tags = "TAGS" in request.get("include", ())
                found.append(documents.service(service, self.tasks, tags=tags))
        return {"services": found, "failures": missing}

    def update_service(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``UpdateService``."""
        service = self._service(request)
        if "desiredCount" in request:
            service.desired = request["desiredCount"]
        if "deploymentConfiguration" in request:
            before = service.document.get("deploymentConfiguration", {})
            service.document["deploymentConfiguration"] = {
                **before, **request["deploymentConfiguration"]
            }  # fmt: skip
        if "taskDefinition" in request or request.get("forceNewDeployment"):
            current = service.deployment or service.steady
            wanted = request.get("taskDefinition")
            if wanted is None and current is not None:
                wanted = current.target.arn
            if wanted is None:
                raise ApiError("InvalidParameterException", "TaskDefinition is required.")
            definition = self._definition(wanted)
            if request.get("forceNewDeployment") or current is None or current.target != definition:
                self._deploy(service, definition)
        return {"service": documents.service(service, self.tasks, tags=False)}

    def _deploy(self, service: FakeService, definition: Definition) -> None:
        if definition.document["status"] != "ACTIVE":
            raise ApiError("ClientException", "TaskDefinition is inactive")
        now, under_way = self._now(), service.deployment
        if under_way is not None:
            if service.strategy != "ROLLING":
                raise ApiError(
                    "InvalidParameterException", "The service has a deployment in progress."
                )
            # A new rolling deployment takes the place of the one under way.
            under_way.status, under_way.stopped = "STOPPED", now
            under_way.reason = "Service deployment was superseded by another."
        steady = service.steady
        deployment = FakeDeployment(
            number=next(service.numbers),
            id=secrets.token_hex(8),
            target=definition,
            source=None if steady is None else steady.target,
            slot=0 if steady is None else 1 - steady.slot,
            created=now,
            configuration=service.configuration,
        )
        service.deployments.append(deployment)
        service.note(now, f"deployment {deployment.id} of {_last(definition.arn)} has begun.")

    # --- deployments ---------------------------------------------------------------------------

    def list_service_deployments(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``ListServiceDeployments``: the latest first, in pages."""
        service = self._service(request)
        statuses = request.get("status")
        listed = [
            documents.brief(service, each)
            for each in reversed(service.deployments)
            if not statuses or each.status in statuses
        ]
        size = min(PAGE, request.get("maxResults", PAGE))
        at = int(request.get("nextToken", "0"))
        more = str(at + size) if at + size < len(listed) else None
        return {"serviceDeployments": listed[at : at + size], "nextToken": more}

    def describe_service_deployments(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``DescribeServiceDeployments``."""
        found, missing = [], []
        for each in request["serviceDeploymentArns"]:
            try:
                service, deployment = self._deployment(each)
            except ApiError:
                missing.append({"arn": each, "reason": "MISSING"})
                continue
            found.append(documents.deployment(service, deployment, self.tasks, self._constants))
        return {"serviceDeployments": found, "failures": missing}

    def describe_service_revisions(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``DescribeServiceRevisions``."""
        found = []
        for each in request["serviceRevisionArns"]:
            cluster, name, number = each.rpartition("service-revision/")[2].split("/")
            service = self.services[cluster, name]
            deployment = service.deployments[int(number) - 1]
            found.append(
                {
                    "serviceRevisionArn": each,
                    "serviceArn": service.arn,
                    "clusterArn": arn("ecs", f"cluster/{cluster}"),
                    "taskDefinition": deployment.target.arn,
                    "launchType": "FARGATE",
                    "createdAt": deployment.created,
                }
            )
        return {"serviceRevisions": found, "failures": []}

    def stop_service_deployment(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``StopServiceDeployment``."""
        service, deployment = self._deployment(request["serviceDeploymentArn"])
        if deployment.is_final:
            raise ApiError(
                "ConflictException", f"The service deployment is {deployment.status} already."
            )
        now = self._now()
        if request.get("stopType", "ROLLBACK") == "ABORT":
            deployment.status, deployment.stopped = "STOPPED", now
            deployment.reason = "Service deployment was stopped."
        else:
            reason = "Service deployment was stopped by a user with ROLLBACK."
            self._strategy(service).begin_rollback(service, now, reason)
        return {"serviceDeploymentArn": request["serviceDeploymentArn"]}

    def continue_service_deployment(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``ContinueServiceDeployment``."""
        service, _ = self._deployment(request["serviceDeploymentArn"])
        action = request.get("action", "CONTINUE")
        if not self._shifting.proceed(service, request["hookId"], action, self._now()):
            raise ApiError("InvalidParameterException", "No lifecycle hook waits with that id.")
        return {"serviceDeploymentArn": request["serviceDeploymentArn"]}

    # --- task definitions ----------------------------------------------------------------------

    def register_task_definition(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``RegisterTaskDefinition``."""
        family = request["family"]
        revisions = self.definitions.setdefault(family, [])
        number = len(revisions) + 1
        document = {
            **{name: value for name, value in request.items() if name != "tags"},
            "taskDefinitionArn": arn("ecs", f"task-definition/{family}:{number}"),
            "revision": number,
            "status": "ACTIVE",
            "registeredAt": self._now(),
            "compatibilities": ["EC2", "FARGATE"],
        }
        found = Definition(document, list(request.get("tags", ())))
        revisions.append(found)
        return {"taskDefinition": found.document, "tags": found.tags}

    def describe_task_definition(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``DescribeTaskDefinition``."""
        found = self._definition(request["taskDefinition"])
        tags = found.tags if "TAGS" in request.get("include", ()) else None
        return {"taskDefinition": found.document, "tags": tags}

    def deregister_task_definition(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``DeregisterTaskDefinition``."""
        found = self._definition(request["taskDefinition"])
        found.document.update(status="INACTIVE", deregisteredAt=self._now())
        return {"taskDefinition": found.document}

    # --- tasks and tags ------------------------------------------------------------------------

    def run_task(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``RunTask``."""
        definition = self._definition(request["taskDefinition"])
        if definition.document["status"] != "ACTIVE":
            raise ApiError("ClientException", "TaskDefinition is inactive")
        cluster = self._cluster(request)
        commands = [
            each["command"]
            for each in request.get("overrides", {}).get("containerOverrides", ())
            if each.get("command")
        ]
        task = self.tasks.start(
            cluster, definition, self._now(), command=next(iter(commands), None)
        )
        return {"tasks": [documents.task(task)], "failures": []}

    def stop_task(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``StopTask``."""
        wanted = _last(request["task"])
        for each in self.tasks.all:
            if each.id == wanted:
                reason = request.get("reason", "Task stopped by user")
                self.tasks.leave(each, self._now(), reason, "UserInitiated")
                return {"task": documents.task(each)}
        raise ApiError("InvalidParameterException", "The referenced task was not found.")

    def list_tasks(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``ListTasks``, in pages."""
        cluster = self._cluster(request)
        name, family = request.get("serviceName"), request.get("family")
        listed = [
            each.arn
            for each in self.tasks.all
            if each.cluster == cluster
            and (name is None or each.service == _last(name))
            and (family is None or each.family == family)
            and each.desired == request.get("desiredStatus", "RUNNING")
        ]
        size, at = min(100, request.get("maxResults", 100)), int(request.get("nextToken", "0"))
        more = str(at + size) if at + size < len(listed) else None
        return {"taskArns": listed[at : at + size], "nextToken": more}

    def describe_tasks(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``DescribeTasks``."""
        wanted = {_last(each) for each in request["tasks"]}
        found: list[FakeTask] = [each for each in self.tasks.all if each.id in wanted]
        missing = wanted - {each.id for each in found}
        return {
            "tasks": [documents.task(each) for each in found],
            "failures": [{"arn": each, "reason": "MISSING"} for each in sorted(missing)],
        }

    def tag_resource(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``TagResource``."""
        tags = self._tags(request["resourceArn"])
        keys = {each["key"] for each in request["tags"]}
        tags[:] = [each for each in tags if each["key"] not in keys] + list(request["tags"])
        return {}

    def untag_resource(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``UntagResource``."""
        tags = self._tags(request["resourceArn"])
        tags[:] = [each for each in tags if each["key"] not in request["tagKeys"]]
        return {}

    def list_tags_for_resource(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """``ListTagsForResource``."""
        return {"tags": self._tags(request["resourceArn"])}

    # --- look-ups ------------------------------------------------------------------------------

    def _tags(self, resource: str) -> list[dict[str, str]]:
        kind, _, name = resource.split(":", 5)[5].partition("/")
        if kind == "service":
            cluster, _, service = name.partition("/")
            return self._service({"cluster": cluster, "service": service}).tags
        return self._definition(name).tags

    def _cluster(self, request: Mapping[str, Any]) -> str:
        name = _last(request.get("cluster", "default"))
        if name not in self.clusters:
            raise ApiError("ClusterNotFoundException", "Cluster not found.")
        return name

    def _service(self, request: Mapping[str, Any]) -> FakeService:
        found = self.services.get((self._cluster(request), _last(request["service"])))
        if found is None:
            raise ApiError("ServiceNotFoundException", "Service not found.")
        return found

    def _definition(self, name: str) -> Definition:
        family, _, number = _last(name).partition(":")
        revisions = self.definitions.get(family, [])
        active = [each for each in revisions if each.document["status"] == "ACTIVE"]
        chosen = revisions[int(number) - 1 : int(number)] if number else active[-1:]
        if not chosen:
            raise ApiError("ClientException", "Unable to describe task definition.")
        return chosen[0]

    def _deployment(self, wanted: str) -> tuple[FakeService, FakeDeployment]:
        for service in self.services.values():
            for each in service.deployments:
                if documents.deployment_arn(service, each) == wanted:
                    return service, each
        raise ApiError("ServiceDeploymentNotFoundException", "Service deployment not found.")


def _last(name: str) -> str:
    return name.rpartition("/")[2]
