"""The page of reason codes, from ``headgate.errors.REASONS``."""

from __future__ import annotations

from docs.reference_pages.markdown import GENERATED, table
from headgate.errors import REASONS, Fault

_INTRODUCTION = """# Reason codes

Every request ends with exactly one of these codes. It stands in the access log (`reason`) and, on
every response that the gate itself made, in the header `X-Headgate-Reason`; a response without that
header is MLflow's own. The body of a refusal is JSON in MLflow's shape,
`{"error_code": …, "message": …}`, so that MLflow's client shows the message to its user. The
gate's own pages, its redirects and what it answers in MLflow's place bear the header too:
`/-/readyz` with `no_endpoint` or `draining`, a health page with the code of what fails first.

"""
_LEGEND = """
*Status* is what a client is sent in the usual case; the response to a particular request may be
more exact. *Try again*: the same request may succeed later; where `Retry-After` is sent, MLflow's
client waits that long and comes back by itself. 499 is never sent, since nobody is left to read
it; it stands in the log alone.
"""
_WHO_ACTS = {
    Fault.NOBODY: "nobody",
    Fault.CLIENT: "the client",
    Fault.GATE: "the gate's operator",
    Fault.UPSTREAM: "MLflow's operator",
}


def page() -> str:
    """The whole page."""
    rows = (
        (
            f"`{reason}`",
            str(rule.status),
            f"`{rule.error_code}`",
            _WHO_ACTS[rule.fault],
            "yes" if rule.retryable else "no",
            rule.meaning,
        )
        for reason, rule in REASONS.items()
    )
    header = ("Code", "Status", "MLflow's `error_code`", "Who has to act", "Try again", "Meaning")
    return GENERATED + _INTRODUCTION + table(header, rows) + _LEGEND
