"""What the commands ask of AWS: the one table of calls, and the IAM policy that allows them.

The adapter makes no call that is not a row here, so that the policy is neither too narrow nor too
wide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

ECS = ("status", "plan", "env-diff", "deploy", "rollback", "drill")
"""The commands below ``headgate ecs``, and which of them change something."""
CHANGE = ("deploy", "rollback", "drill")
DEPLOY = ("plan", "deploy", "drill")
ROLL_OUT = ("deploy", "drill")
MLFLOW = ("mlflow plan", "mlflow upgrade", "mlflow rollback")
"""Those that change the version of MLflow, where it runs in ECS."""
MIGRATE = ("mlflow upgrade", "mlflow rollback")
ALL = (*ECS, *MLFLOW)


class Scope(Enum):
    """What a call acts on, as IAM names it; braces are for the operator to fill in.

    Several are parted by spaces.  ``ANY`` is for actions that IAM has no resources for.
    """

    ANY = "*"
    SERVICE = "arn:aws:ecs:{region}:{account}:service/{cluster}/{service}"
    DEPLOYMENTS = "arn:aws:ecs:{region}:{account}:service-deployment/{cluster}/{service}/*"
    REVISIONS = "arn:aws:ecs:{region}:{account}:service-revision/{cluster}/{service}/*"
    CLOUD_MAP = "arn:aws:servicediscovery:{region}:{account}:service/{cloud-map-service}"
    NAMESPACE = "arn:aws:servicediscovery:{region}:{account}:namespace/{cloud-map-namespace}"
    TASKS = "arn:aws:ecs:{region}:{account}:task/{cluster}/*"
    TASK_DEFINITIONS = "arn:aws:ecs:{region}:{account}:task-definition/{family}:*"
    TAGGED = f"{SERVICE} {TASK_DEFINITIONS}"
    MIGRATIONS = "arn:aws:ecs:{region}:{account}:task-definition/{family}-migration:*"
    NOTES = "arn:aws:ssm:{region}:{account}:parameter/headgate/{cluster}/{service}/*"
    OWN_NOTES = (
        "arn:aws:ssm:{region}:{account}:parameter/headgate/{cluster}/{service}/journal "
        "arn:aws:ssm:{region}:{account}:parameter/headgate/{cluster}/{service}/lock"
    )
    SECRETS = "arn:aws:secretsmanager:{region}:{account}:secret:{secrets}"
    REPOSITORY = "arn:aws:ecr:{region}:{account}:repository/{repository}"
    ROLES = "arn:aws:iam::{account}:role/{roles}"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an API.

    Attributes:
        client: boto3's name of the API.
        method: boto3's name of the call.
        action: what IAM calls it.
        scope: what it acts on; IAM checks it for calls that have resources.
        commands: the commands that make it.
        why: what for, in a few words.
    """

    client: str
    method: str
    action: str
    scope: Scope
    commands: Sequence[str]
    why: str


IDENTITY = Call(
    "sts",
    "get_caller_identity",
    "sts:GetCallerIdentity",
    Scope.ANY,
    ECS,
    "who deploys, for the journal and the lock; needs no permission",
)
CLUSTERS = Call(
    "ecs",
    "list_clusters",
    "ecs:ListClusters",
    Scope.ANY,
    ALL,
    "the clusters that there are, if the one named is not",
)
SERVICES = Call(
    "ecs",
    "list_services",
    "ecs:ListServices",
    Scope.ANY,
    ALL,
    "the services that there are, if the one named is not",
)
SERVICE = Call(
    "ecs",
    "describe_services",
    "ecs:DescribeServices",
    Scope.SERVICE,
    ALL,
    "the service as it is",
)
LIST_DEPLOYMENTS = Call(
    "ecs",
    "list_service_deployments",
    "ecs:ListServiceDeployments",
    Scope.SERVICE,
    ALL,
    "the deployments of the service",
)
DEPLOYMENTS = Call(
    "ecs",
    "describe_service_deployments",
    "ecs:DescribeServiceDeployments",
    Scope.DEPLOYMENTS,
    ALL,
    "the state of a deployment, by its own ARN",
)
SERVICE_REVISIONS = Call(
    "ecs",
    "describe_service_revisions",
    "ecs:DescribeServiceRevisions",
    Scope.REVISIONS,
    ALL,
    "the task definition that a deployment brings",
)
LIST_TASKS = Call(
    "ecs",
    "list_tasks",
    "ecs:ListTasks",
    Scope.ANY,
    ALL,
    "the tasks of the service",
)
TASKS = Call(
    "ecs",
    "describe_tasks",
    "ecs:DescribeTasks",
    Scope.TASKS,
    ALL,
    "which revision each task runs",
)
TASK_DEFINITION = Call(
    "ecs",
    "describe_task_definition",
    "ecs:DescribeTaskDefinition",
    Scope.ANY,
    ALL,
    "the template, the running revision and the one to return to",
)
REGISTER = Call(
    "ecs",
    "register_task_definition",
    "ecs:RegisterTaskDefinition",
    Scope.TASK_DEFINITIONS,
    (*ROLL_OUT, *MIGRATE),
    "the copy of the template with the new image",
)
DEREGISTER = Call(
    "ecs",
    "deregister_task_definition",
    "ecs:DeregisterTaskDefinition",
    Scope.ANY,
    (*ROLL_OUT, *MIGRATE),
    "a copy of the template that was registered and never used, or used once",
)
UPDATE = Call(
    "ecs",
    "update_service",
    "ecs:UpdateService",
    Scope.SERVICE,
    (*CHANGE, *MIGRATE),
    "moves the service to a revision; stops and starts MLflow",
)
STOP = Call(
    "ecs",
    "stop_service_deployment",
    "ecs:StopServiceDeployment",
    Scope.DEPLOYMENTS,
    CHANGE,
    "rolls a deployment in progress back",
)
PROCEED = Call(
    "ecs",
    "continue_service_deployment",
    "ecs:ContinueServiceDeployment",
    Scope.DEPLOYMENTS,
    CHANGE,
    "ends the pause of a blue/green deployment",
)
RUN_TASK = Call(
    "ecs",
    "run_task",
    "ecs:RunTask",
    Scope.TASK_DEFINITIONS,
    (*ROLL_OUT, *MIGRATE),
    "`headgate db upgrade`, once before a deployment; `mlflow db upgrade`",
)
STOP_TASK = Call(
    "ecs",
    "stop_task",
    "ecs:StopTask",
    Scope.TASKS,
    MIGRATE,
    "ends an `mlflow db upgrade` that takes too long, or that a command left behind",
)
TAG = Call(
    "ecs",
    "tag_resource",
    "ecs:TagResource",
    Scope.TAGGED,
    (*CHANGE, *MIGRATE),
    "tags of the service and of new revisions",
)
UNTAG = Call(
    "ecs",
    "untag_resource",
    "ecs:UntagResource",
    Scope.SERVICE,
    (*CHANGE, *MIGRATE),
    "removes the tags that say what is going on",
)
GET_PARAMETER = Call(
    "ssm",
    "get_parameter",
    "ssm:GetParameter",
    Scope.NOTES,
    ECS,
    "the template's ARN, the journal and the lock",
)
PUT_PARAMETER = Call(
    "ssm",
    "put_parameter",
    "ssm:PutParameter",
    Scope.OWN_NOTES,
    CHANGE,
    "writes the journal and the lock",
)
SECRET = Call(
    "secretsmanager",
    "describe_secret",
    "secretsmanager:DescribeSecret",
    Scope.SECRETS,
    DEPLOY,
    "the version that a secret has now; never its value",
)
IMAGES = Call(
    "ecr",
    "describe_images",
    "ecr:DescribeImages",
    Scope.REPOSITORY,
    (*DEPLOY, *MLFLOW),
    "the digest of a tag, and whether an image still exists",
)
TARGET_GROUPS = Call(
    "elbv2",
    "describe_target_groups",
    "elasticloadbalancing:DescribeTargetGroups",
    Scope.ANY,
    ROLL_OUT,
    "the load balancer of the service",
)
METRICS = Call(
    "cloudwatch",
    "get_metric_data",
    "cloudwatch:GetMetricData",
    Scope.ANY,
    ROLL_OUT,
    "5xx rate and p99 before and after a deployment",
)
INSTANCES = Call(
    "servicediscovery",
    "list_instances",
    "servicediscovery:ListInstances",
    Scope.CLOUD_MAP,
    ("status",),
    "what is registered in Cloud Map",
)
INSTANCES_HEALTH = Call(
    "servicediscovery",
    "get_instances_health_status",
    "servicediscovery:GetInstancesHealthStatus",
    Scope.CLOUD_MAP,
    ("status",),
    "which of these are healthy",
)
NAMED = Call(
    "servicediscovery",
    "get_service",
    "servicediscovery:GetService",
    Scope.CLOUD_MAP,
    ("mlflow plan", "mlflow upgrade"),
    "whether the tasks have a name in DNS",
)
NAMESPACE = Call(
    "servicediscovery",
    "get_namespace",
    "servicediscovery:GetNamespace",
    Scope.NAMESPACE,
    ("mlflow plan", "mlflow upgrade"),
    "for how long resolvers remember that a name has no address",
)

CALLS = (
    IDENTITY, CLUSTERS, SERVICES, SERVICE, LIST_DEPLOYMENTS, DEPLOYMENTS, SERVICE_REVISIONS,
    LIST_TASKS, TASKS, TASK_DEFINITION, REGISTER, DEREGISTER, UPDATE, STOP, PROCEED, RUN_TASK,
    STOP_TASK, TAG, UNTAG, GET_PARAMETER, PUT_PARAMETER, SECRET, IMAGES, TARGET_GROUPS, METRICS,
    INSTANCES, INSTANCES_HEALTH, NAMED, NAMESPACE,
)  # fmt: skip
"""Every call of the adapter, in the order of the documentation."""

PASS_ROLE = "iam:PassRole"  # noqa: S105 - an action
"""What IAM asks for when a task definition names roles; no call of its own."""


def policy(commands: Sequence[str] = ALL) -> Mapping[str, Any]:
    """The least policy for some of the commands, for ``{region}`` and the like to be filled in."""
    actions: dict[Scope, list[str]] = {}
    for call in CALLS:
        if set(call.commands) & set(commands) and call is not IDENTITY:
            actions.setdefault(call.scope, []).append(call.action)
    statements: list[Mapping[str, Any]] = [
        {
            "Sid": "".join(word.capitalize() for word in scope.name.split("_")),
            "Effect": "Allow",
            "Action": sorted(names),
            "Resource": _resources(scope, commands),
        }
        for scope, names in actions.items()
    ]
    if set(commands) & {*ROLL_OUT, *MIGRATE}:
        statements.append(
            {
                "Sid": "PassRolesToTasks",
                "Effect": "Allow",
                "Action": [PASS_ROLE],
                "Resource": _resources(Scope.ROLES, commands),
                "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
            }
        )
    return {"Version": "2012-10-17", "Statement": statements}


def _resources(scope: Scope, commands: Sequence[str]) -> str | list[str]:
    names = scope.value.split()
    if Scope.TASK_DEFINITIONS.value in names and set(commands) & set(MIGRATE):
        names.append(Scope.MIGRATIONS.value)
    return names if len(names) > 1 else names[0]
