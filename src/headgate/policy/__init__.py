"""What a key may do: roles are sets of grants, and each operation needs one of them.

A ruling has two steps.  ``evaluate`` rules on the operation alone where it can.  Where a grant is
narrowed to names, it returns which fields name the objects, and ``judge`` rules after the caller
has looked up their names.  What no grant allows is denied.
"""

from headgate.policy.comparison import covers, meet
from headgate.policy.evaluation import evaluate, judge, misfit, rules
from headgate.policy.grammar import GrantError, needed, parse_grant, write_grant
from headgate.policy.held import held
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
from headgate.policy.ruling import (
    ALLOWED,
    Allowed,
    Denied,
    NeedsObject,
    Requirement,
    ResolvedObject,
    Ruling,
)

__all__ = [
    "ADMIN",
    "ALLOWED",
    "BUILT_IN",
    "DEFAULT_ROLES",
    "HAD_CALLS",
    "LLM_USER",
    "Allowed",
    "Denied",
    "GrantError",
    "NeedsObject",
    "Requirement",
    "ResolvedObject",
    "Role",
    "Roles",
    "Ruling",
    "covers",
    "describe",
    "evaluate",
    "held",
    "judge",
    "meet",
    "misfit",
    "needed",
    "parse_grant",
    "rules",
    "write_grant",
]
