"""Fields that are called like an id or an address, and name no object that a key is narrowed to.

A person has looked at each: it is of a family that no key can be narrowed in, lies in an object
that is named beside it, or is a description that MLflow keeps and never follows.  What an operation
that names nothing else does with one is for keys that are not narrowed.
"""

from __future__ import annotations

import re
from typing import Final

LIKE_AN_ID: Final = re.compile(r"(?:^|_)(?:ids?|uuids?|uri|location|source|path|root)$")
"""How the last name of a field ends that may name an object."""

NO_OBJECTS: Final = frozenset(
    {
        "action_endpoint_id",
        "assessment.assessment_id",
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
