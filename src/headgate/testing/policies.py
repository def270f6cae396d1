"""The policies of an upstream as the configuration has them by default, with changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from headgate.cluster import ClusterPolicy
from headgate.config import Upstream
from headgate.contract import Dialect
from headgate.dataplane.terms import FixedCredentials, UpstreamTerms
from headgate.upstreams import policies


def cluster_policy(**changes: Any) -> ClusterPolicy:
    """The default one, with changes."""
    return replace(policies.cluster_policy(Upstream()), **changes)


def terms(settings: Upstream | None = None, **changes: Any) -> UpstreamTerms:
    """The terms of an upstream of unknown version that is shown no credentials, with changes."""
    made = policies.upstream_terms(settings or Upstream(), Dialect(), FixedCredentials())
    return replace(made, **changes)
