"""Explains a failed step: the likely cause and what to do next.  Pure.

A failure without a failed request is explained by the client's message; otherwise by the fault that
prevented a response, by the gate's reason code, or by the response, in this order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from headgate_verify import advice
from headgate_verify.advice import Advice
from headgate_verify.exchange import Answerer, Exchange, answerer

_NOTHING_SENT = Exchange(method="", path="")


@dataclass(frozen=True, slots=True)
class Symptom:
    """A failed step as the runner sees it.

    ``text`` is the message of the exception; ``mismatch`` says that every request succeeded but
    the data that was read back differs from the data sent.
    """

    exchange: Exchange | None
    text: str
    mismatch: bool = False


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A failure as it is reported.  ``status`` is 0 if there was no response."""

    request: str
    status: int
    answered_by: Answerer | None
    server: str
    reason: str
    request_id: str
    message: str
    cause: str
    action: str


def diagnose(symptom: Symptom, *, url: str) -> Diagnosis:
    """Explain a failed step.  ``url`` is the URL under test."""
    exchange = symptom.exchange or _NOTHING_SENT
    parts = urlsplit(url)
    names = {
        "url": url,
        "host": parts.hostname,
        "address": parts.netloc,
        "location": exchange.location,
        "server": exchange.server or "no Server header",
        "status": exchange.status,
    }
    explanation = _explain(symptom)
    return Diagnosis(
        request=str(symptom.exchange or ""),
        status=exchange.status,
        answered_by=answerer(symptom.exchange),
        server=exchange.server,
        reason=exchange.reason,
        request_id=exchange.request_id,
        message=(exchange.message if exchange.failed else "") or symptom.text,
        cause=explanation.cause.format_map(names),
        action=explanation.action.format_map(names),
    )


def _explain(symptom: Symptom) -> Advice:
    exchange = symptom.exchange
    if exchange is not None and exchange.failed:
        return _explain_exchange(exchange)
    for text_rule in advice.TEXT_RULES:
        if re.search(text_rule.pattern, symptom.text):
            return text_rule.advice
    if exchange is None:
        return advice.LOCAL
    return advice.MISMATCH if symptom.mismatch else _explain_exchange(exchange)


def _explain_exchange(exchange: Exchange) -> Advice:
    if exchange.fault is not None:
        return advice.FAULTS[exchange.fault]
    if exchange.failed and exchange.reason:
        return advice.REASONS.get(exchange.reason, advice.UNKNOWN_REASON)
    rules = (rule.advice for rule in advice.RESPONSE_RULES if rule.applies(exchange))
    return next(rules, advice.UNEXPLAINED)
