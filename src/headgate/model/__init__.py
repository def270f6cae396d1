"""The nouns of Headgate, as frozen types without behaviour."""

from headgate.model.endpoint import Api, Endpoint
from headgate.model.family import FAMILIES, Area, Family
from headgate.model.operation import (
    Action,
    BodyHandling,
    ObjectField,
    ObjectKind,
    Operation,
    Place,
    ResponsePolicy,
    Retry,
    SizeClass,
)
from headgate.model.outcome import Outcome, Phase
from headgate.model.principal import NO_GRANTS, Grant, GrantFromRole, Grants, Narrowing, Principal
from headgate.reasons import Reason

__all__ = [
    "FAMILIES",
    "NO_GRANTS",
    "Action",
    "Api",
    "Area",
    "BodyHandling",
    "Endpoint",
    "Family",
    "Grant",
    "GrantFromRole",
    "Grants",
    "Narrowing",
    "ObjectField",
    "ObjectKind",
    "Operation",
    "Outcome",
    "Phase",
    "Place",
    "Principal",
    "Reason",
    "ResponsePolicy",
    "Retry",
    "SizeClass",
]
