"""Applies the shields that are on to a request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from headgate.config.shields import ShieldRule, Shields
from headgate.contract.body import snake_case
from headgate.contract.otlp import Export
from headgate.contract.parameters import path_parameters
from headgate.contract.query import parameters
from headgate.errors import Refusal
from headgate.model import Operation
from headgate.policy.phrases import joined
from headgate.shields import (
    graphql,
    locations,
    names,
    scorers,
    targets,
    trace_locations,
    traversal,
)
from headgate.shields.exports import ExportScan
from headgate.shields.messages import Text, texts
from headgate.shields.plan import PROXY_PATH, Plan, plan_of, sets_trace_tags
from headgate.shields.rules import misplaced_trace, no_address, refusal
from headgate.shields.trace_locations import TAG, TraceLocation
from headgate.wire.errors import ProtocolError

ARTIFACT_LINES: Final[tuple[bytes, ...]] = (
    b"X-Content-Type-Options: nosniff\r\n",
    b"Content-Security-Policy: sandbox; default-src 'none'\r\n",
    b"Content-Disposition: attachment\r\n",
)
"""MLflow's UI fetches artifacts by script, or as images; these fields do not affect that."""

# mlflow.server.handlers._validate_gateway_path, which older servers lack.
_PROXIED: Final = re.compile(r"api/2\.0/endpoints|gateway/[A-Za-z0-9_.\-]+/invocations")

_ASSISTANT_OFF: Final = {
    "assistant/get-config": b'{"providers":{},"projects":{},"remote_access_allowed":false}',
    "assistant/providers": b'{"providers":[],"resolved":null,"gateway_vendor_options":{}}',
}
"""The responses of an MLflow without an assistant (mlflow/server/assistant/api.py, 3.17.2)."""

# A query whose ids are valid and whose paths have no dot segments: nearly all of them.  Each
# parameter can match in only one way: two ways would make 2**n combinations of n parameters.
_PLAIN_QUERY: Final = re.compile(
    rb"\?(?>(?:[a-z_]+=[A-Za-z0-9_\-]*"
    rb"|(?:[a-z_]+_)?path=[A-Za-z0-9_\-]+(?:(?:/|%2F|\.|\+|%20)[A-Za-z0-9_\-]+)*)(?:&|$))*+"
)


class Shield:
    """Applies the shields of the configuration.

    Args:
        settings: which shields are on, and what they allow.
    """

    def __init__(self, settings: Shields) -> None:
        off = {*settings.disabled, *((ShieldRule.ASSISTANT,) if settings.assistant else ())}
        self.settings = settings
        self._rules = frozenset(ShieldRule) - off
        self._locations = settings.locations
        self._targets = settings.targets
        self._graphql = graphql.Bounds(
            settings.graphql_depth,
            settings.graphql_selections,
            settings.graphql_aliases,
            settings.graphql_root_fields,
            settings.graphql_length,
        )
        # By identity: the table has one ``Operation`` for each method of a route, kept alive here.
        self._plans: dict[int, tuple[Operation, Plan]] = {}

    def for_narrowed_keys(self) -> Shield:
        """The same, with the shield against path traversal on.

        A path within an object must stay within the object; otherwise a key that may read one
        object could read any other.
        """
        if ShieldRule.TRAVERSAL in self._rules:
            return self
        others = [each for each in self.settings.disabled if each is not ShieldRule.TRAVERSAL]
        return Shield(self.settings.model_copy(update={"disabled": tuple(others)}))

    def needs_body(self, operation: Operation) -> bool:
        """Whether ``check_body`` has to be called; such bodies are small and rare."""
        return self._plan(operation).of_body

    def needs_query(self, operation: Operation) -> bool:
        """Whether ``check_query`` checks the query."""
        return self._plan(operation).of_query

    def reads_texts(self, operation: Operation) -> bool:
        """Whether ``check_body`` checks each string of a body, which takes longer."""
        plan = self._plan(operation)
        return plan.of_body and not plan.body_tags

    def response_lines(self, operation: Operation) -> tuple[bytes, ...]:
        """Lines for the head of a response, each unless MLflow's own has a field of that name."""
        return ARTIFACT_LINES if self._plan(operation).artifact else ()

    def own_response(self, operation: Operation) -> bytes | None:
        """The JSON that the gate returns instead of MLflow's response, if any.

        MLflow's UI requests these whenever it opens, and would show a refusal as an error.
        """
        return _ASSISTANT_OFF.get(operation.name) if self._plan(operation).off else None

    def check_path(self, operation: Operation, path: bytes) -> Refusal | None:
        """The refusal of a canonical path, which has no dot segments."""
        plan = self._plan(operation)
        if plan.off:
            return refusal(ShieldRule.ASSISTANT)
        if plan.path_parameters:
            values = path_parameters(operation, path)
            for name in plan.path_parameters:
                if name in values and traversal.is_unsafe_path(values[name]):
                    return refusal(ShieldRule.TRAVERSAL, field=name)
        return None

    def check_query(self, operation: Operation, query: bytes) -> Refusal | None:
        """The refusal of a query, which is the client's own, with its ``?``, or empty."""
        plan = self._plan(operation)
        if not query or not plan.of_query:
            return None
        harmless = not (plan.query_urls or plan.query_proxied)
        if harmless and _PLAIN_QUERY.fullmatch(query):
            return None
        try:
            return self._check_parameters(plan, query)
        except ProtocolError:  # it is ambiguous
            return refusal(ShieldRule.TRAVERSAL, field="the query")

    def _check_parameters(self, plan: Plan, query: bytes) -> Refusal | None:
        for name, value in _parameters(query):
            if name in plan.query_paths:
                if traversal.is_unsafe_path(value) or _is_elsewhere(name, value):
                    return refusal(ShieldRule.TRAVERSAL, field=name)
            elif name in plan.query_identifiers:
                if traversal.is_unsafe_identifier(value):
                    return refusal(ShieldRule.TRAVERSAL, field=name)
            elif name in plan.query_urls and value and targets.is_private(value, self._targets):
                return self._about_target(name, value)
        return None

    def check_body(self, operation: Operation, message: Mapping[str, Any]) -> Refusal | None:
        """The refusal of a parsed body."""
        plan = self._plan(operation)
        if not plan.of_body:
            return None
        if plan.body_query:
            query = message.get("query")
            excess = graphql.excess(query, self._graphql) if isinstance(query, str) else ""
            return refusal(ShieldRule.GRAPHQL_BOUNDS, excess=excess) if excess else None
        if plan.body_scorers:
            return self._check_scorers(message)
        if plan.body_tags:
            return None  # see ``trace_locations``
        for text in texts(message):
            found = self._check_text(plan, text)
            if found is not None:
                return found
        return None

    def _check_scorers(self, message: Mapping[str, Any]) -> Refusal | None:
        for field, value in scorers.serialized(message):
            found = "" if value is None else "is not a string"
            if isinstance(value, str):
                found = scorers.trouble(value, self._targets)
            if found:
                return refusal(ShieldRule.SCORER, field=field, excess=found)
        return None

    def scan(
        self, operation: Operation, header: Mapping[bytes, bytes], limit: int
    ) -> ExportScan | None:
        """The scan of a streamed body, for keys that are not narrowed.

        Args:
            operation: what the request asks for.
            header: the values of its header fields, by lower-case name.
            limit: maximum bytes of the body; 0: no limit.

        Raises:
            ProtocolError: MLflow takes no such body.
        """
        if not self._plan(operation).export:
            return None
        return ExportScan(header, limit, Export(wants_values=False))

    def trace_locations(
        self,
        operation: Operation,
        path: bytes,
        message: Mapping[str, Any],
        read: Mapping[str, Any],
        *,
        always: bool,
    ) -> list[TraceLocation] | Refusal:
        """The locations that a body sets for the data of a trace, for MLflow to confirm.

        Args:
            operation: what the request asks for.
            path: its canonical path.
            message: the parsed body.
            read: what MLflow reads of it.
            always: check even if the shield is off, for keys that are narrowed to experiments: a
                trace of one experiment must not lead to the data of another.
        """
        if not (self._plan(operation).body_tags or (always and sets_trace_tags(operation))):
            return []
        found = trace_locations.claimed(operation, path, message, read, self._locations)
        return misplaced_trace(TAG) if found is None else found

    def _check_text(self, plan: Plan, text: Text) -> Refusal | None:
        place, value = text
        if place in plan.body_locations and not self._may_lie_at(text):
            allowed = joined(self._locations or ["nothing"])
            return refusal(ShieldRule.STORED_LOCATION, field=place, allowed=allowed)
        if place in plan.body_paths and (
            traversal.is_unsafe_path(value) or _is_elsewhere(place, value)
        ):
            return refusal(ShieldRule.TRAVERSAL, field=place)
        if place in plan.body_files and traversal.is_unsafe_file(value):
            return refusal(ShieldRule.TRAVERSAL, field=f"the last segment of {place}")
        if place == plan.body_name:
            held = names.trouble(value, model=plan.names_model)
            return refusal(ShieldRule.ESCAPED_NAME, field=place, excess=held) if held else None
        if (
            plan.body_urls
            and targets.is_address_text(text.name, value)
            and targets.is_private(value, self._targets)
        ):
            return self._about_target(place, value)
        return None

    def _about_target(self, place: str, value: str) -> Refusal:
        """The refusal of an address that the server may not call, or of an invalid one."""
        if not targets.host_of(value):
            return no_address(place)
        return refusal(ShieldRule.PRIVATE_TARGET, field=place)

    def _may_lie_at(self, text: Text) -> bool:
        if not text.value:  # the default
            return True
        if locations.is_of_prompt(text.place, text.value):
            return True
        return locations.is_allowed(text.value, self._locations)

    def _plan(self, operation: Operation) -> Plan:
        known = self._plans.get(id(operation))
        if known is None:
            known = operation, plan_of(operation, self._rules)
            self._plans[id(operation)] = known
        return known[1]


def _is_elsewhere(name: str, value: str) -> bool:
    """Whether the deployments proxy would call something other than a deployment."""
    return name == PROXY_PATH and _PROXIED.fullmatch(value.strip("/")) is None


def _parameters(query: bytes) -> Iterator[tuple[str, str]]:
    """The parameters of a query: the names in snake case, the values decoded once."""
    for name, value in parameters(query):
        yield snake_case(name.removesuffix("[]")), value
