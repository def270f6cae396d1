"""The nouns of Headgate, as frozen types without behaviour."""

from headgate.model.endpoint import Api, Endpoint
from headgate.model.family import FAMILIES, Area, Family
from headgate.model.operation import (
    Action,
    BodyHandling,
    Created,
    ObjectField,
    ObjectKind,
    Operation,
    Place,
    ResponsePolicy,
    Retry,
    SizeClass,
)
from headgate.model.outcome import AttemptFailure, FailedAttempt, Outcome, Phase, Source
from headgate.model.principal import (
    NO_GRANTS,
    NOBODY,
    AuthMethod,
    Grant,
    GrantFromRole,
    Grants,
    Narrowing,
    Principal,
)
from headgate.model.request_class import REQUEST_CLASSES, RequestClass
from headgate.model.trace import SpanContext

__all__ = [
    "FAMILIES",
    "NOBODY",
    "NO_GRANTS",
    "REQUEST_CLASSES",
    "Action",
    "Api",
    "Area",
    "AttemptFailure",
    "AuthMethod",
    "BodyHandling",
    "Created",
    "Endpoint",
    "FailedAttempt",
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
    "RequestClass",
    "ResponsePolicy",
    "Retry",
    "SizeClass",
    "Source",
    "SpanContext",
]
