"""The refusals of the data plane: what failed, why, and what to do, one sentence each.

Causes come from ``headgate.symptoms``.

``detail`` goes to the log only, which may contain internal addresses.
"""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Final

from headgate.cluster import RetryDecision
from headgate.errors import Refusal
from headgate.model import Endpoint
from headgate.reasons import Reason
from headgate.symptoms import (
    ExchangeFailure,
    ResponseFailure,
    connection_failure,
    own_words,
)
from headgate.wire.errors import ProtocolError

RETRY_AFTER: Final = 2
"""Seconds a client is asked to wait before it tries an unreachable MLflow again."""
_DOCTOR: Final = "`headgate doctor` on the gate's machine shows the problem"
_UNKNOWN: Final = "it may or may not have executed the request"
_NOW: Final = "`headgate doctor` on the gate's machine shows the current state"


def cannot_connect(endpoint: Endpoint, error: OSError, *, sent: bool = False) -> Refusal:
    """MLflow accepted no connection; ``sent``: an attempt before this one may have reached it.

    Then the request is one that may be repeated, or there would have been no other attempt.
    """
    words = own_words(error)
    failure = connection_failure(error)
    return Refusal(
        failure.reason,
        f"Headgate could not reach the MLflow server: it tried {endpoint} ({words}). "
        f"{failure.cause}; {_DOCTOR}. {so_far(sent)}, so this request may be sent again.",
        retry_after=RETRY_AFTER,
        detail=f"{endpoint}: {words}",
    )


def so_far(sent: bool) -> str:
    """What MLflow can know of the request, once no attempt is left."""
    if sent:
        return "An attempt before was lost, and repeating it changes nothing twice"
    return "Nothing was sent to MLflow"


def not_repeated(failure: Refusal, decision: RetryDecision) -> Refusal:
    """The failure, and why it was not mended by another attempt where the gate spares MLflow."""
    if decision is not RetryDecision.BUDGET_SPENT:
        return failure
    return replace(
        failure,
        message=f"{failure.message} Headgate did not send it again by itself, since too many "
        "requests fail and are sent again already; send it again in a moment.",
        retry_after=RETRY_AFTER,
        detail=f"{failure.detail}; not sent again: {decision.value}",
    )


def waited_in_vain(limit: float, *, sent: bool = False) -> Refusal:
    """Every endpoint stayed at its concurrency limit."""
    return Refusal(
        Reason.OVERLOADED,
        f"Headgate is busy: every MLflow server has been at its concurrency limit for "
        f"{limit:g} s. "
        f"{so_far(sent)}; send this request again in a moment.",
        retry_after=RETRY_AFTER,
    )


def displaced(*, sent: bool = False) -> Refusal:
    """Every endpoint and the queue are full, and the sender has the most requests in the queue."""
    return Refusal(
        Reason.RATE_LIMITED,
        "Headgate is busy: every MLflow server is at its concurrency limit, the queue is full, and "
        f"most of the requests in it for their weight are yours. {so_far(sent)}; send this request "
        "again in a moment, and fewer at a time.",
        retry_after=RETRY_AFTER,
        detail="displaced from the queue",
    )


def parked(text: str, retry_after: int, *, sent: bool = False) -> Refusal:
    """Operators have parked the upstream, and the request cannot be held, or no longer."""
    return Refusal(
        Reason.PARKED,
        f"Headgate sends MLflow nothing now: {text}. {so_far(sent)}; send this request again after "
        f"{retry_after} s, as MLflow's client does by itself.",
        retry_after=retry_after,
        detail=text,
    )


def parked_at_draining_gate(*, sent: bool = False) -> Refusal:
    """The request is held, and the worker that holds it stops."""
    return Refusal(
        Reason.PARKED,
        "Headgate sends MLflow nothing now, since it is parked for maintenance, and this gate "
        f"process stops. {so_far(sent)}; send this request again: another one holds it.",
        retry_after=1,
        detail="the worker that held it stops",
    )


def changed_while_held() -> Refusal:
    """The request has waited, and it is not certain that its sender may still do what it asks."""
    return Refusal(
        Reason.PARKED,
        "Headgate held this request, and what its sender may do has changed meanwhile. It was not "
        "sent to MLflow; send it again: it is decided on anew.",
        retry_after=1,
        detail="what the sender may do has changed while the request was held",
    )


def read_only(text: str, retry_after: int, *, sent: bool = False) -> Refusal:
    """Operators let nothing be changed at the upstream, and the request may change something."""
    return Refusal(
        Reason.READ_ONLY,
        f"Headgate lets nothing be changed at MLflow now: {text}. {so_far(sent)}; requests that "
        "only read are served, and this one can be sent again when that is over.",
        retry_after=retry_after,
        detail=text,
    )


def connection_lost(words: str, error: Exception | None) -> Refusal:
    """MLflow closed the connection before it responded."""
    if isinstance(error, ssl.SSLError):  # since TLS 1.3 some refusals come after the handshake
        failure = connection_failure(error)
        return Refusal(
            failure.reason,
            f"The MLflow server ended its TLS connection to Headgate ({words}). {failure.cause}; "
            f"{_NOW}.",
            detail=words,
        )
    reset = ExchangeFailure.RESET
    return Refusal(
        reset.reason,
        f"Headgate lost its connection to the MLflow server. {reset.cause}; {_UNKNOWN}. {_NOW}.",
        detail=words,
    )


def unreconciled() -> Refusal:
    """A create is sent again, and MLflow does not say whether it has executed the first one."""
    failure = ExchangeFailure.SILENT
    return Refusal(
        failure.reason,
        "Headgate could not ask the MLflow server whether an earlier request, whose response was "
        f"lost, has created this already. {failure.cause}; nothing was created now, so this "
        "request may be sent again.",
        retry_after=RETRY_AFTER,
    )


def silent(limit: float) -> Refusal:
    """MLflow sent nothing for ``limit`` seconds."""
    failure = ExchangeFailure.SILENT
    return Refusal(
        failure.reason,
        f"Headgate gave up on the MLflow server: it stayed silent for {limit:g} s. "
        f"{failure.cause}; {_UNKNOWN}. {_NOW}.",
    )


def repeated_in_vain(attempts: int, total: float) -> Refusal:
    """A request that was repeated has no response when its client would give up."""
    failure = ExchangeFailure.SILENT
    return Refusal(
        failure.reason,
        f"Headgate gave up on the MLflow server: {attempts} attempts have brought no response "
        f"within {total:g} s, and MLflow's client waits little longer. {failure.cause}; "
        f"{_UNKNOWN}. {_NOW}.",
        detail=f"no response within {total:g} s, attempt {attempts}",
    )


def host_refused(host: str) -> Refusal:
    """MLflow's Host check does not accept the gate's ``Host``."""
    failure = ResponseFailure.HOST_REFUSED
    return Refusal(
        failure.reason,
        f"Headgate was refused by the MLflow server's Host check: it does not accept '{host}'. "
        f"{failure.cause}; `headgate doctor` shows what it accepts.",
        detail=f"Host {host} refused",
    )


def page_instead_of_json(status: int, endpoint: str, *, shown: bool = False) -> Refusal:
    """A web page came in place of JSON; ``shown``: MLflow was shown the gate's credentials."""
    if status == 403 and shown:
        failure = ResponseFailure.PERMISSION_DENIED
        return Refusal(
            failure.reason,
            f"Headgate was refused (403) by the MLflow server at {endpoint}: its own "
            f"authentication does not allow this to the gate's user. {failure.cause}; {_DOCTOR}.",
            detail="MLflow responded 403",
        )
    if status == 401:
        failure = ResponseFailure.CREDENTIALS_WANTED
        return Refusal(
            failure.reason,
            f"Headgate was asked for credentials by the MLflow server at {endpoint}: it has "
            f"its own authentication. {failure.cause}; {_DOCTOR}.",
            detail="MLflow responded 401",
        )
    failure = ResponseFailure.WEB_PAGE
    return Refusal(
        failure.reason,
        f"Headgate got a web page (status {status}) from {endpoint} where MLflow responds with "
        f"JSON. {failure.cause}; `headgate doctor` shows which.",
        status=status if status >= 500 else None,
        detail=f"HTML with status {status}",
    )


def invalid_response(error: ProtocolError) -> Refusal:
    """MLflow's response cannot be understood."""
    failure = ExchangeFailure.INVALID
    return Refusal(
        failure.reason,
        f"Headgate received an invalid response from the MLflow server: {error.message}. "
        f"{failure.cause}; {_DOCTOR}.",
        detail=error.message,
    )


def malformed(error: ProtocolError) -> Refusal:
    """The client's bytes are not unambiguous HTTP/1.1."""
    return Refusal(
        error.reason,
        f"Headgate refused the request: {error.message}.",
        status=error.status or None,
        detail=error.message,
    )


def body_stalled(seconds: float) -> Refusal:
    """The client sends its body too slowly, or not at all."""
    return Refusal(
        Reason.REQUEST_MALFORMED,
        "Headgate timed out: it received almost nothing of the request's body for "
        f"{seconds:g} s. Send it again over a better connection.",
        status=408,
    )


def too_large(limit: str) -> Refusal:
    """A body is over the limit of its route."""
    return Refusal(
        Reason.BODY_TOO_LARGE,
        f"Headgate refused the request: its body is over {limit}, the limit for this route. "
        "Send less in one request, or ask the gate's operator for a higher limit.",
    )


def connection_refused(limit: str) -> Refusal:
    """As many connections are open as are allowed, or one address has too many without a key."""
    return Refusal(
        Reason.OVERLOADED,
        "Headgate is busy: too many connections are open (limits.connections). Nothing was sent to "
        "MLflow; send this request again in a moment.",
        retry_after=RETRY_AFTER,
        detail=limit,
    )


def uncollectable(limit: str) -> Refusal:
    """A chunked body is too large to be collected."""
    return Refusal(
        Reason.BODY_TOO_LARGE,
        f"Headgate refused the request: its chunked body is over {limit}, and MLflow accepts this "
        "route's body only with a Content-Length. Send one.",
    )


def defect(request_id: str, error: Exception) -> Refusal:
    """The gate itself failed."""
    return Refusal(
        Reason.INTERNAL,
        f"Internal error in Headgate; its log says why, under request id {request_id}.",
        detail=repr(error),
    )
