"""Serialized scorers, which MLflow's server deserializes and runs.

MLflow imports the module that ``third_party_scorer_data`` names, and passes its ``kwargs`` to a
client of language models unchanged.  Up to 3.16.1 it matched only a prefix of the module name, so
that it ran a file placed below one of these packages (CVE-2026-116692), and the arguments could
send the server's requests anywhere (CVE-2026-115886).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from headgate.contract.body import snake_case
from headgate.shields import targets

MODULES: Final = frozenset(
    {
        "mlflow.genai.scorers.ragas",
        "mlflow.genai.scorers.ragas.scorers",
        "mlflow.genai.scorers.ragas.scorers.agentic_metrics",
        "mlflow.genai.scorers.ragas.scorers.comparison_metrics",
        "mlflow.genai.scorers.ragas.scorers.rag_metrics",
        "mlflow.genai.scorers.deepeval",
        "mlflow.genai.scorers.deepeval.scorers",
        "mlflow.genai.scorers.deepeval.scorers.agentic_metrics",
        "mlflow.genai.scorers.deepeval.scorers.conversational_metrics",
        "mlflow.genai.scorers.deepeval.scorers.rag_metrics",
        "mlflow.genai.scorers.deepeval.scorers.safety_metrics",
        "mlflow.genai.scorers.trulens",
        "mlflow.genai.scorers.trulens.scorers.agent_trace",
        "mlflow.genai.scorers.phoenix",
    }
)
"""``mlflow.genai.scorers.scorer_utils.THIRD_PARTY_SCORER_ALLOWED_MODULES`` of 3.17.2."""

DESTINATIONS: Final = frozenset(
    {"api_base", "base_url", "model_list", "fallbacks", "custom_llm_provider"}
)
"""``mlflow.utils.validation.GATEWAY_DESTINATION_KEYS`` of 3.17.2."""

_THIRD_PARTY: Final = "third_party_scorer_data"


def serialized(message: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The serialized scorers in a body, each with the name of its field.

    Jobs have them in their parameters, nested (``_iter_serialized_scorers``).
    """
    for holder in _objects(message):
        for name, value in holder.items():
            field = snake_case(name)
            if field in ("serialized_scorer", "serialized_scorers"):
                for each in value if isinstance(value, list) else [value]:
                    yield field, each


def trouble(serialized: str, allowed: Sequence[str] = ()) -> str:
    """The problem of a serialized scorer, to follow "it"; empty if there is none.

    Args:
        serialized: JSON as MLflow reads it, with ``json.loads``.
        allowed: private hosts and networks that are allowed.
    """
    try:
        parsed = json.loads(serialized)
    except (ValueError, RecursionError):
        return "is not JSON"
    for holder in _objects(parsed):
        if _THIRD_PARTY in holder:
            found = _of_third_party(holder[_THIRD_PARTY])
            if found:
                return found
        for name in ("api_base", "base_url"):
            value = holder.get(name)
            if isinstance(value, str) and value and targets.is_private(value, allowed):
                return f"sends requests to an address of the server's own network ({name})"
    return ""


def _of_third_party(data: Any) -> str:
    """``Scorer.model_validate`` and ``_validate_third_party_scorer_data`` of MLflow 3.17.2."""
    if not isinstance(data, dict):
        return "" if data is None else f"has a {_THIRD_PARTY} that is not an object"
    module, metric, kwargs = data.get("module"), data.get("metric_name"), data.get("kwargs")
    if not isinstance(module, str) or module not in MODULES:
        return "names a module that is not one of MLflow's own scorers"
    if not isinstance(metric, str) or not metric.isidentifier():
        return "has a metric_name that is not a plain identifier"
    if kwargs is not None and not isinstance(kwargs, dict):
        return "has kwargs that are not an object"
    if kwargs and "metric_name" in kwargs:
        return "has a metric_name in its kwargs"
    named = sorted(_destinations(kwargs))
    return f"sets the destination of requests ({', '.join(named)})" if named else ""


def _destinations(value: Any) -> set[str]:
    """The names in it that set a destination: in objects, and in lists of pairs."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            found |= DESTINATIONS.intersection(each)
            waiting.extend(each.values())
        elif isinstance(each, list):
            if len(each) == 2 and isinstance(each[0], str):
                found |= DESTINATIONS.intersection(each[:1])
            waiting.extend(each)
    return found


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """All objects in it, at any depth."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
