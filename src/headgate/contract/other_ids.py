"""Fields that are called like an id or an address, and name no object that a key is narrowed to.

A person has looked at each: it is of a family that no key can be narrowed in, lies in an object
that is named beside it, or is a description that MLflow keeps and never follows.  What an operation
that names nothing else does with one is for keys that are not narrowed.
"""

from __future__ import annotations

import re
from typing import Final

LIKE_AN_ID: Final = re.compile(r"(?:^|_)(?:ids?|uuids?|uri|location|source|path|root|overrides)$")
"""How the last name of a field ends that may name an object."""

NO_OBJECTS: Final = frozenset(
    {
        "action_endpoint_id",
        "assessment.assessment_id",
        "assessment.overrides",
        "assessment.source.source_id",
        "assessment.span_id",
        "budget_policy_id",
        "dataset_record_ids",
        "datasets.dataset.source",
        "deployment_job_id",
        "endpoint_id",
        "gateway_path",
        "guardrail_id",
        "issue_id",
        "item_id",
        "item_ids",
        "model_config.model_definition_id",
        "model_configs.model_definition_id",
        "model_definition_id",
        "queue_id",
        "resource_id",
        "schema_id",
        "schema_ids",
        "scorer_id",
        "scorer_ids",
        "secret_id",
        "source",
        "source_prompt_uri",
        "trace.spans.links.span_id",
        "trace.spans.parent_span_id",
        "trace.spans.span_id",
        "trace.trace_info.assessments.source.source_id",
        "trace.trace_info.assessments.span_id",
        "trace.trace_info.client_request_id",
        "update_schema_ids",
        "upload_id",
        "user_id",
        "webhook_id",
    }
)

NO_OBJECTS_OF: Final = frozenset(
    {
        ("assessments/delete", "assessment_id"),
        ("assessments/get", "assessment_id"),
        ("assessments/update", "assessment_id"),
        ("assistant/message", "experiment_id"),
        ("assistant/message", "session_id"),
        ("assistant/sessions/permission", "request_id"),
        ("assistant/sessions/permission", "session_id"),
        ("assistant/sessions/stream", "session_id"),
        ("assistant/sessions/tool-result", "request_id"),
        ("assistant/sessions/tool-result", "session_id"),
        ("assistant/sessions/update", "session_id"),
        ("assistant/skills/install", "custom_path"),
        ("assistant/skills/install", "experiment_id"),
        ("gateway/raw-proxy", "path"),
        ("jobs/cancel", "job_id"),
        ("jobs/cancel-state", "job_id"),
        ("jobs/get", "job_id"),
        ("jobs/get-state", "job_id"),
        ("prompt-optimization/cancel", "job_id"),
        ("prompt-optimization/delete", "job_id"),
        ("prompt-optimization/get", "job_id"),
        ("ui/static-files", "path"),
    }
)
"""The same for parameters of paths, and for what MLflow's FastAPI routes read, by operation.

An assessment is looked for in the trace that is named beside it; the others are operations that
no key can be narrowed in.
"""
