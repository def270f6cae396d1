"""The page of reason codes, from ``headgate.reasons``."""

from __future__ import annotations

from docs.reference_pages.markdown import GENERATED, table
from headgate.reasons import Fault, Reason

_INTRODUCTION = """# Reason codes

Every request ends with exactly one of these codes. The access log has it as `reason`. Every
response that the gate itself made has it in the header `X-Headgate-Reason`; a response without
this header is MLflow's own. The body of a refusal is JSON in MLflow's form, `{"error_code": …,
"message": …}`, so that MLflow's client shows the message to its user. The header is also set on
the gate's own pages, its redirects, and the responses that it makes on behalf of MLflow:
`/-/readyz` has `no_endpoint` or `draining`, a health page has the code of the first failed check.

"""
_LEGEND = """
*Status* is the usual status of the response; a particular response may have a more specific one.
*Try again*: the same request may succeed later. If the response has `Retry-After`, MLflow's client
waits that long and retries by itself. 499 appears only in the log, because the client has
disconnected.
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
            str(reason.status),
            f"`{reason.error_code}`",
            _WHO_ACTS[reason.fault],
            "yes" if reason.retryable else "no",
            reason.meaning,
        )
        for reason in Reason
    )
    header = ("Code", "Status", "MLflow's `error_code`", "Who has to act", "Try again", "Meaning")
    return GENERATED + _INTRODUCTION + table(header, rows) + _LEGEND
