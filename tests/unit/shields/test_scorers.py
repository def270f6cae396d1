"""What MLflow's server makes of a serialized scorer: its own scorers pass, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.genai.scorers import scorer_utils
from mlflow.utils import validation

from headgate.config import ShieldRule, Shields
from headgate.contract import classify
from headgate.shields import Shield
from headgate.shields.scorers import DESTINATIONS, MODULES, trouble

ROUTES = [
    ("/api/3.0/mlflow/scorers/register", "serialized_scorer", str),
    ("/api/3.0/mlflow/scorers/register", "serializedScorer", str),
    ("/ajax-api/3.0/mlflow/scorer/invoke", "serialized_scorer", str),
    ("/ajax-api/3.0/mlflow/genai/evaluate/invoke", "serialized_scorers", list),
]


def third_party(**changes: Any) -> dict[str, Any]:
    data = {
        "module": "mlflow.genai.scorers.ragas",
        "class": "RagasScorer",
        "metric_name": "Faithfulness",
        "model": "openai:/gpt-4",
        "kwargs": {"threshold": 0.5},
    }
    return {"name": "x", "third_party_scorer_data": data | changes}


def nested(scorer: dict[str, Any]) -> dict[str, Any]:
    ensemble = {"ensemble_fn": "mean", "scorers": [scorer]}
    inner = {"name": "e", "ensemble_scorer_data": ensemble}
    return {"name": "m", "memory_augmented_judge_data": {"base_judge": inner}}


@pytest.mark.parametrize(("path", "field", "kind"), ROUTES)
def test_each_route_that_takes_a_scorer(path: str, field: str, kind: type) -> None:
    operation = classify(b"POST", path.encode())
    assert operation is not None
    shield, without = Shield(Shields()), Shield(Shields(disabled=(ShieldRule.SCORER,)))
    assert shield.needs_body(operation)
    for scorer, passes in (
        (third_party(), True),
        (third_party(module="mlflow.genai.scorers.ragas.run.artifacts.evil"), False),
    ):
        text = json.dumps(scorer)
        message = {"experiment_id": "1", field: [text] if kind is list else text}
        found = shield.check_body(operation, message)
        assert (found is None) is passes
        assert without.check_body(operation, message) is None
        assert found is None or found.detail == "shield scorer"


def test_a_job_is_looked_at_too() -> None:
    operation = classify(b"POST", b"/ajax-api/3.0/jobs/")
    assert operation is not None
    shield = Shield(Shields())
    for module, passes in (("mlflow.genai.scorers.ragas", True), ("os", False)):
        text = json.dumps(third_party(module=module))
        for params in (
            {"serialized_scorer": text},
            {"serialized_scorers": [text]},
            {"online_scorers": [{"serialized_scorer": text}]},
        ):
            message = {"job_name": "invoke_scorer", "params": params}
            assert (shield.check_body(operation, message) is None) is passes


@pytest.mark.parametrize(
    "changes",
    [
        {"module": "os"},
        {"module": "mlflow.genai.scorers.ragas."},
        {"module": "mlflow.genai.scorers.ragas\n"},
        {"module": "mlflow.genai.scorers.ragas.deadbeef.artifacts.evil"},
        {"module": ["mlflow.genai.scorers.ragas"]},
        {"module": None},
        {"metric_name": "evil.module"},
        {"metric_name": ""},
        {"metric_name": None},
        {"kwargs": [["api_base", "https://x.example"]]},
        {"kwargs": {"metric_name": "evil.module"}},
        *({"kwargs": {name: "https://api.example"}} for name in sorted(DESTINATIONS)),
        {"kwargs": {"completion_kwargs": {"a": [{"base_url": None}]}}},
        {"kwargs": {"completion_kwargs": [["api_base", "https://x.example"]]}},
    ],
)
def test_what_the_server_must_not_be_given(changes: dict[str, Any]) -> None:
    for scorer in (
        third_party(**changes),
        nested(third_party(**changes)),
        [third_party(**changes)],
    ):
        assert trouble(json.dumps(scorer))


def test_what_leads_into_the_own_network() -> None:
    judge = {"instructions": "x", "model": "openai:/gpt-4"}
    for base, passes in (("http://169.254.169.254/", False), ("https://api.example.com/v1", True)):
        data = judge | {"inference_params": {"api_base": base}}
        text = json.dumps({"name": "x", "instructions_judge_pydantic_data": data})
        assert (not trouble(text)) is passes
        assert not trouble(text, ["169.254.169.254/32"])


@pytest.mark.parametrize("text", ["", "{", "x", "[" * 100_000])
def test_what_is_no_json(text: str) -> None:
    assert trouble(text) == "is not JSON"


def test_the_lists_are_those_of_mlflow() -> None:
    assert MODULES == scorer_utils.THIRD_PARTY_SCORER_ALLOWED_MODULES
    assert DESTINATIONS == validation.GATEWAY_DESTINATION_KEYS


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*sorted(DESTINATIONS), "a", "kwargs", "third_party_scorer_data"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_nothing_passes_that_mlflow_refuses(kwargs: Any) -> None:
    """MLflow 3.17.2's own check, on any arguments at any depth."""
    for scorer in (third_party(kwargs=kwargs), nested(third_party(kwargs=kwargs))):
        try:
            validation._validate_third_party_scorer_data(scorer)
        except MlflowException:
            assert trouble(json.dumps(scorer))


@given(st.text() | json_values.map(json.dumps))
def test_any_text_can_be_judged(text: str) -> None:
    assert isinstance(trouble(text), str)
