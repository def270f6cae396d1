"""The page of what ``headgate ecs`` asks of AWS, from ``headgate.deploy.ecs.permissions``."""

from __future__ import annotations

import json

from docs.reference_pages.markdown import GENERATED, table
from headgate.deploy.ecs.permissions import CALLS, ECS, MIGRATE, MLFLOW, PASS_ROLE, ROLL_OUT, policy

_INTRODUCTION = """# Permissions for `headgate ecs`

What an operator's IAM role or user needs, and no more, for the commands below `headgate ecs`, and
for those below `headgate mlflow` where MLflow runs in ECS. The commands make only the calls of this
table; if one is not allowed, the message names the action, the resource and the region. The tasks
themselves use other roles, which Terraform's module `gateway` makes.

"""
_POLICIES = """
## Policies

Replace what stands in braces: the region, the account, the names of cluster and service, the family
of the task definition, the ECR repository, the prefix of the gate's secrets with `*`, and the names
of the task role and the execution role. IAM has no resources for the actions with `*`.

`status` and `env-diff` only read:

```json
{reading}
```

All commands below `headgate ecs`:

```json
{all}
```

`headgate mlflow plan`, `upgrade` and `rollback` with `--cluster` and `--service`. The service and
the family are those of MLflow; the second family is that of the task that migrates the database:

```json
{mlflow}
```
"""
_LOOKING = ("status", "env-diff")


def page() -> str:
    """The whole page."""
    rows = [
        (f"`{call.action}`", call.why, ", ".join(f"`{each}`" for each in call.commands))
        for call in CALLS
    ]
    rolling = ", ".join(f"`{each}`" for each in (*ROLL_OUT, *MIGRATE))
    rows.append((f"`{PASS_ROLE}`", "hands the roles of the task definition to its tasks", rolling))
    policies = _POLICIES.format(
        reading=json.dumps(policy(_LOOKING), indent=2),
        all=json.dumps(policy(ECS), indent=2),
        mlflow=json.dumps(policy(MLFLOW), indent=2),
    )
    return GENERATED + _INTRODUCTION + table(("Action", "What for", "Commands"), rows) + policies
