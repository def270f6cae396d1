"""Symptom, cause, cure: what can stand between the gate and MLflow, in one table.

Each member of the four enums is one row: the reason code, the cause for clients and the cure for
operators.  Adapters read the member from the exceptions, error codes and responses that they meet;
the refusals to clients, the health checks, ``headgate doctor`` and the event log take their words
from it.  ``headgate verify`` has a table of its own, since it imports nothing of Headgate.
"""

from headgate.symptoms.causes import connection_failure, in_words, own_words
from headgate.symptoms.connection import ConnectionFailure
from headgate.symptoms.discovery import DiscoveryFailure
from headgate.symptoms.exchange import ExchangeFailure
from headgate.symptoms.response import ResponseFailure
from headgate.symptoms.symptom import Symptom, for_upstream

__all__ = [
    "ConnectionFailure",
    "DiscoveryFailure",
    "ExchangeFailure",
    "ResponseFailure",
    "Symptom",
    "connection_failure",
    "for_upstream",
    "in_words",
    "own_words",
]
