"""What a client is told when the gate cannot do its part: one sentence and its cure each.

``detail`` goes to the log only, where internal addresses may stand.
"""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Final

from headgate.cluster import RetryDecision
from headgate.errors import Refusal
from headgate.model import Endpoint
from headgate.net.causes import own_words
from headgate.reasons import Reason
from headgate.wire.errors import ProtocolError

RETRY_AFTER: Final = 2
"""Seconds a client is asked to wait before it tries an unreachable MLflow again."""
_DOCTOR: Final = "`headgate doctor` on the gate's machine shows what is wrong"
_NOW: Final = "`headgate doctor` on the gate's machine shows how it stands now"


def cannot_connect(endpoint: Endpoint, error: OSError, *, sent: bool = False) -> Refusal:
    """MLflow accepted no connection; ``sent``: an attempt before this one may have reached it.

    Then the request is one that may be repeated, or there would have been no other attempt.
    """
    cause = own_words(error)
    is_tls = isinstance(error, ssl.SSLError)
    return Refusal(
        Reason.UPSTREAM_TLS if is_tls else Reason.UPSTREAM_CONNECT,
        f"Headgate could not reach the MLflow server: it tried {endpoint} ({cause}). "
        f"{_likely(error)}; {_DOCTOR}. {so_far(sent)}, so this request may be sent again.",
        retry_after=RETRY_AFTER,
        detail=f"{endpoint}: {cause}",
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


def _likely(error: OSError) -> str:
    """What most probably lies behind it, and the cure."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _about_certificate(str(error))
    if isinstance(error, ssl.SSLError):
        return "What listens there does not speak TLS as the gate does: is it http?"
    if isinstance(error, TimeoutError):
        return (
            "Nothing answers there: a firewall or security group drops what the gate sends, or "
            "the address is wrong"
        )
    if isinstance(error, ConnectionRefusedError):
        return "MLflow does not run there, or listens on another port or on 127.0.0.1 alone"
    if isinstance(error, ConnectionError):
        return "Something there accepts connections and drops them immediately: is it MLflow?"
    return "The gate has no way to that address"


def _about_certificate(error: str) -> str:
    if "expired" in error:
        return "Its certificate has run out: renew it"
    if "mismatch" in error:
        return "Its certificate bears another name: set tls.server_name of this upstream to that"
    return "Nobody the gate trusts has signed its certificate: set tls.ca of this upstream"


def waited_in_vain(limit: float, *, sent: bool = False) -> Refusal:
    """No endpoint had room in time."""
    return Refusal(
        Reason.OVERLOADED,
        f"Headgate is busy: every MLflow server had all it may have for {limit:g} s. "
        f"{so_far(sent)}; send this request again in a moment.",
        retry_after=RETRY_AFTER,
    )


def connection_lost(cause: str, error: Exception | None) -> Refusal:
    """MLflow ended the connection before it answered."""
    if isinstance(error, ssl.SSLError):  # since TLS 1.3 some refusals come after the handshake
        return Refusal(
            Reason.UPSTREAM_TLS,
            f"Headgate lost its TLS connection to the MLflow server ({cause}). It may ask for a "
            f"certificate: see tls.certificate of this upstream. {_NOW}.",
            detail=cause,
        )
    return Refusal(
        Reason.UPSTREAM_RESET,
        "Headgate lost the MLflow server: it ended the connection before it answered, as one does "
        "that is stopped or runs out of memory. Look into MLflow's log; whether it carried out "
        f"the request is not known. {_NOW}.",
        detail=cause,
    )


def silent(limit: float) -> Refusal:
    """MLflow has not moved for ``limit`` seconds."""
    return Refusal(
        Reason.UPSTREAM_TIMEOUT,
        f"Headgate gave up on the MLflow server: it stayed silent for {limit:g} s, as one does "
        "that hangs or waits for its database. Look into MLflow's log; whether it carried out the "
        f"request is not known. {_NOW}.",
    )


def repeated_in_vain(attempts: int, total: float) -> Refusal:
    """A request that was repeated has no response when its client would give up."""
    return Refusal(
        Reason.UPSTREAM_TIMEOUT,
        f"Headgate gave up on the MLflow server: {attempts} attempts have brought no response "
        f"within {total:g} s, and MLflow's client waits little longer. Look into MLflow's log for "
        f"what hangs; whether it carried out the request is not known. {_NOW}.",
        detail=f"no response within {total:g} s, attempt {attempts}",
    )


def host_refused(host: str) -> Refusal:
    """MLflow's own Host check (mlflow/server/fastapi_security.py) does not know the gate."""
    return Refusal(
        Reason.UPSTREAM_HOST_REFUSED,
        f"Headgate was refused by the MLflow server's Host check: it does not accept '{host}'. "
        "Start MLflow with that in --allowed-hosts, or set host_header of this upstream in the "
        "gate's configuration to a name that MLflow accepts; `headgate doctor` shows what it does.",
        detail=f"Host {host} refused",
    )


def page_instead_of_json(status: int, endpoint: str, *, shown: bool = False) -> Refusal:
    """A web page came where MLflow's API answers JSON; ``shown``: it was shown credentials."""
    if status == 403 and shown:
        return Refusal(
            Reason.UPSTREAM_CREDENTIALS,
            f"Headgate was refused (403) by the MLflow server at {endpoint}: its own "
            "authentication does not let the gate's user there do this. Your key is fine; the "
            "gate's operator gives that user the right to, or sets another one in credentials of "
            f"this upstream; {_DOCTOR}.",
            detail="MLflow answered 403",
        )
    if status == 401:  # so does MLflow's own authentication (mlflow/server/auth)
        return Refusal(
            Reason.UPSTREAM_CREDENTIALS,
            f"Headgate was asked for credentials by the MLflow server at {endpoint}: it runs with "
            "an authentication of its own. Your key is fine; the gate's operator sets credentials "
            f"of this upstream (policy 'replace'), or corrects them; {_DOCTOR}.",
            detail="MLflow answered 401",
        )
    return Refusal(
        Reason.UPSTREAM_NOT_JSON,
        f"Headgate got a web page (status {status}) from {endpoint} where MLflow answers JSON. "
        "Either MLflow itself failed, and its log says why, or something else listens there, such "
        "as a login page or a load balancer; `headgate doctor` shows which.",
        status=status if status >= 500 else None,
        detail=f"HTML with status {status}",
    )


def invalid_response(error: ProtocolError) -> Refusal:
    """MLflow's response cannot be understood."""
    return Refusal(
        Reason.UPSTREAM_ERROR,
        f"Headgate does not understand the MLflow server: {error.message}. Something else than "
        f"MLflow may listen there, or it speaks https; {_DOCTOR}.",
        detail=error.message,
    )


def malformed(error: ProtocolError) -> Refusal:
    """The client's bytes are not HTTP/1.1, or not clearly so."""
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
        "Headgate gave up: next to nothing of the request's body came for "
        f"{seconds:g} s. Send it again over a better connection.",
        status=408,
    )


def too_large(limit: str) -> Refusal:
    """A body is over the limit of its route."""
    return Refusal(
        Reason.BODY_TOO_LARGE,
        f"Headgate refused the request: its body is over {limit}, the most that this route is "
        "allowed. Send less at once, or ask the gate's operator for a higher limit.",
    )


def connection_refused() -> Refusal:
    """As many connections are open as are allowed, or one address has too many without a key."""
    return Refusal(
        Reason.OVERLOADED,
        "Headgate is busy: too many connections are open (limits.connections). Nothing was sent to "
        "MLflow; send this request again in a moment.",
        retry_after=RETRY_AFTER,
    )


def uncollectable(limit: str) -> Refusal:
    """A chunked body is too large to be collected."""
    return Refusal(
        Reason.BODY_TOO_LARGE,
        f"Headgate refused the request: its chunked body is over {limit}, and MLflow takes this "
        "route's body only with a Content-Length. Send one.",
    )


def defect(request_id: str, error: Exception) -> Refusal:
    """The gate itself failed."""
    return Refusal(
        Reason.INTERNAL,
        f"Headgate failed on its own account; its log says why, under request id {request_id}.",
        detail=repr(error),
    )
