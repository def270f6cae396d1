"""What a key may do: roles are sets of grants, and each operation needs one of them.

A decision has two steps.  ``decide`` decides from the operation alone where it can.  Where a grant
is narrowed to names, it returns which fields name the objects, and ``judge`` decides after the
caller has looked up their names.  What no grant allows is denied.
"""

from headgate.policy.decide import decide, judge, misfit, rules
from headgate.policy.decision import (
    ALLOWED,
    Allowed,
    Decision,
    Denied,
    NeedsObject,
    Requirement,
    ResolvedObject,
)
from headgate.policy.grammar import GrantError, needed, parse_grant, write_grant
from headgate.policy.messages import describe
from headgate.policy.roles import (
    ADMIN,
    BUILT_IN,
    DEFAULT_ROLES,
    HAD_CALLS,
    LLM_USER,
    Role,
    Roles,
)

__all__ = [
    "ADMIN",
    "ALLOWED",
    "BUILT_IN",
    "DEFAULT_ROLES",
    "HAD_CALLS",
    "LLM_USER",
    "Allowed",
    "Decision",
    "Denied",
    "GrantError",
    "NeedsObject",
    "Requirement",
    "ResolvedObject",
    "Role",
    "Roles",
    "decide",
    "describe",
    "judge",
    "misfit",
    "needed",
    "parse_grant",
    "rules",
    "write_grant",
]
