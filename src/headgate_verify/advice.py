"""Tables of failures: the likely cause, and what the operator should do.

Messages may contain ``{url}``, ``{address}`` and ``{host}`` (the server under test), and
``{location}``, ``{server}`` and ``{status}`` (its response).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from headgate_verify.exchange import (
    CROSS_ORIGIN,
    INVALID_HOST,
    Answerer,
    Exchange,
    Fault,
    answerer,
)


@dataclass(frozen=True, slots=True)
class Advice:
    """The likely cause, and what to do next, with placeholders such as ``{url}``."""

    cause: str
    action: str


MISMATCH = Advice(
    "Every request succeeded, but the data that was read back differs from the data sent.",
    "Look for a proxy that rewrites bodies, and for two MLflow servers that do not share one "
    "database and artifact store.",
)
LOCAL = Advice(
    "The MLflow client failed on this machine, before it sent a request.",
    "Repair the Python environment in the message, or choose another with --python.",
)
_NOT_MLFLOW = Advice(
    "The server at {url} is neither Headgate nor MLflow ({server}).",
    "Correct the host, the port or the prefix in --url; if there is a login page in front of the "
    "gate, exempt API requests from it.",
)
UNKNOWN_REASON = Advice(
    "The gate refused the request.",
    "Follow its message; the gate's log has the details under the request id.",
)
UNEXPLAINED = Advice(
    "The MLflow client did not accept the last response.",
    "Read the message; if it names no cause, compare the versions of client and server.",
)

FAULTS: Mapping[Fault, Advice] = {
    Fault.REFUSED: Advice(
        "Nothing listens at {address}.",
        "Start the gate there (`headgate serve`, or `headgate up` to try it), or correct --url.",
    ),
    Fault.UNKNOWN_NAME: Advice(
        "The name {host} cannot be resolved on this machine.",
        "Correct the host in --url, or add it to the DNS that this machine uses.",
    ),
    Fault.UNREACHABLE: Advice(
        "This machine has no route to {host}.",
        "Check the address, the VPN and the routes of this machine.",
    ),
    Fault.TLS: Advice(
        "The TLS handshake with {address} failed, or its certificate is not trusted.",
        "For a private certificate authority, set MLFLOW_TRACKING_SERVER_CERT_PATH to its file. If "
        "the server requires a client certificate, set MLFLOW_TRACKING_CLIENT_CERT_PATH to a file "
        "with the certificate and its key. If the port serves plain HTTP, use http:// in --url.",
    ),
    Fault.PROXY: Advice(
        "The HTTP proxy in this environment did not forward the request.",
        "Add {host} to NO_PROXY, or correct HTTP_PROXY and HTTPS_PROXY.",
    ),
    Fault.CONNECT_TIMEOUT: Advice(
        "{address} does not respond to connection attempts.",
        "Open the port for this machine in the firewall or security group, or correct the address "
        "in --url.",
    ),
    Fault.READ_TIMEOUT: Advice(
        "The connection is open, but no response came in time.",
        "Look at the load and the logs of the gate and of MLflow, and for a firewall between them "
        "that drops packets.",
    ),
    Fault.BROKEN_OFF: Advice(
        "The connection was closed before the response was complete.",
        "Look for a restart of the gate or of MLflow, or for a load balancer with a size or time "
        "limit, then run this again. If an https:// server requires a client certificate, set "
        "MLFLOW_TRACKING_CLIENT_CERT_PATH to a file with the certificate and its key.",
    ),
    Fault.OTHER: Advice(
        "The request could not be sent, or its response could not be read.",
        "Read the message of the MLflow client's HTTP library.",
    ),
}

_MLFLOW_DOWN = (
    "Start MLflow or correct its address in the gate's configuration, then run again; "
    "`headgate doctor` on the gate's machine shows the problem."
)
_ADMIN_API = Advice(
    "The gate took the request for one to its admin API.",
    "Correct the path in --url: it must be the tracking URI, without /-/.",
)
_NEW_KEY = (
    "Run `headgate keys list` on the gate's machine; create a new key with `headgate keys create "
    "NAME` and set HEADGATE_API_KEY to it."
)
_EXAMINE = (
    "Follow the message; `headgate tokens check` on the gate's machine says step by step why a "
    "token is refused."
)
_TOKENS: Mapping[str, str] = {
    "token_malformed": "it is no signed JWT of the form that the gate reads",
    "token_algorithm": "its issuer is not allowed the algorithm of its signature",
    "token_issuer": "the gate is not configured for its issuer",
    "token_key_unknown": "its issuer has no such signing key",
    "token_signature": "its signature is wrong",
    "token_audience": "it is for another audience",
    "token_expired": "it has expired",
    "token_not_yet_valid": "it is not valid yet, or a clock is wrong",
    "token_life": "it is valid for too long",
    "token_rule": "no rule of its issuer fits its claims",
}
REASONS: Mapping[str, Advice] = {
    "unauthenticated": Advice(
        "The gate received no credentials, or cannot read them.",
        "Set HEADGATE_API_KEY to a key; on the gate's machine `headgate keys create NAME` makes "
        "one.",
    ),
    "key_unknown": Advice(
        "The gate does not know the key.",
        f"Check that it is a key of this gate: {_NEW_KEY}",
    ),
    "key_revoked": Advice("The key was revoked.", _NEW_KEY),
    "key_expired": Advice("The key has expired.", _NEW_KEY),
    "principal_disabled": Advice(
        "The owner of the key or token is disabled.",
        "Ask the operator of the gate; `headgate principals list` shows who is disabled.",
    ),
    "keys_stale": Advice(
        "The gate has not been able to read its key store for too long.",
        "Run `headgate db check` on the gate's machine.",
    ),
    **{
        reason: Advice(f"The gate does not accept the token: {why}.", _EXAMINE)
        for reason, why in _TOKENS.items()
    },
    "issuer_unavailable": Advice(
        "The gate cannot fetch the signing keys of the token's issuer.",
        "Run `headgate doctor` on the gate's machine, with the gate's configuration.",
    ),
    "auth_throttled": Advice(
        "Too many requests from this address failed to authenticate.",
        "Correct the key or token that its clients send; then wait and run again.",
    ),
    "forbidden": Advice(
        "The gate knows the key, but its roles do not allow this request.",
        "Use a key whose roles allow creating and deleting experiments, runs and models.",
    ),
    "route_unknown": Advice(
        "The gate serves no such path: the prefix in --url is not one of its prefixes.",
        "Correct the path in {url}: the default prefixes of the gate are /, /mlflow and "
        "/api/mlflow.",
    ),
    "request_ambiguous": Advice(
        "The request reached the gate in a form that two programs could read differently.",
        "Look for a proxy in front of the gate that rewrites paths or headers.",
    ),
    "request_malformed": Advice(
        "The gate did not receive a valid HTTP/1.1 request.",
        "Look for a proxy in front of the gate that rewrites requests, or a TLS listener that "
        "forwards bytes of another protocol.",
    ),
    "request_invalid": _ADMIN_API,
    "not_found": _ADMIN_API,
    "conflict": _ADMIN_API,
    "store_unavailable": Advice(
        "The gate cannot use its key store.",
        "Run `headgate db check` on the gate's machine.",
    ),
    "body_too_large": Advice(
        "The body exceeds the gate's limit for this route.",
        "Raise the limit in the gate's configuration, or verify with a smaller --size.",
    ),
    "rate_limited": Advice(
        "The principal of this key is over its rate, or has too many requests under way.",
        "Wait and run again, or raise the limits of its role (`limits.roles` of the gate).",
    ),
    "overloaded": Advice(
        "The gate is at one of its configured limits.",
        "Look at its load; raise the limit or add workers.",
    ),
    "parked": Advice(
        "An operator has parked MLflow for maintenance, for longer than the client could wait.",
        "Wait until it is unparked (`headgate park --status`), then run again.",
    ),
    "read_only": Advice(
        "An operator has switched MLflow to read-only, such as for a backup.",
        "Wait until it is over (`headgate park --status`), then run again.",
    ),
    "draining": Advice(
        "The gate is shutting down.",
        "Wait until the deployment is finished, then run again.",
    ),
    "no_endpoint": Advice(
        "The gate knows no MLflow server: discovery found none.",
        "Correct the name in the gate's configuration; `headgate doctor` shows what it finds.",
    ),
    "upstream_connect": Advice("MLflow does not accept connections from the gate.", _MLFLOW_DOWN),
    "upstream_tls": Advice(
        "The TLS handshake between the gate and MLflow failed, or its certificate is not trusted.",
        "Set tls.ca or tls.server_name of the gate's upstream; `headgate doctor` says which.",
    ),
    "upstream_host_refused": Advice(
        "MLflow's Host check does not allow the name that the gate sends.",
        "Start MLflow with that name in --allowed-hosts; `headgate doctor` says which.",
    ),
    "upstream_credentials": Advice(
        "MLflow has its own authentication, and does not accept the gate's credentials.",
        "Set `credentials` of the gate's upstream, with policy 'replace'.",
    ),
    "upstream_not_json": Advice(
        "The gate received a web page instead of JSON: MLflow failed, or something else listens "
        "there.",
        "Read MLflow's log; `headgate doctor` shows which server responds to the gate.",
    ),
    "upstream_timeout": Advice(
        "MLflow accepted the request but sent no response.",
        "Look at MLflow's load, its database and its artifact store.",
    ),
    "upstream_reset": Advice(
        "MLflow closed the connection to the gate.",
        "Search MLflow's log for a crash, a restart or a lack of memory.",
    ),
    "upstream_error": Advice(
        "The server that the gate connects to does not speak HTTP like MLflow.",
        "Check that the gate's upstream address is MLflow's own port.",
    ),
    "internal": Advice(
        "An internal error in Headgate.",
        "The gate's log has the cause under the request id; please report it.",
    ),
}


@dataclass(frozen=True, slots=True)
class TextRule:
    """For failures without a failed request, by the message of the client."""

    pattern: str
    advice: Advice


TEXT_RULES = (
    TextRule(
        r"^interrupted$",
        Advice("The verification was stopped.", "Run it again."),
    ),
    TextRule(
        r"IncompleteRead|Connection broken|Connection aborted|ChunkedEncodingError",
        FAULTS[Fault.BROKEN_OFF],
    ),
    TextRule(
        r"Read timed out",
        FAULTS[Fault.READ_TIMEOUT],
    ),
    TextRule(
        r"No space left on device",
        Advice(
            "The temporary folder of this machine is full.",
            "Set TMPDIR to a folder with space for the large file, or use a smaller --size.",
        ),
    ),
    TextRule(
        r"(?i)boto3|botocore|google\.cloud|azure\.storage|own disk",
        Advice(
            "MLflow made the client access its artifact store directly, bypassing the gate.",
            "Start MLflow with --artifacts-destination and without --default-artifact-root, so "
            "that artifacts travel through the server.",
        ),
    ),
    TextRule(
        r"not in a valid JSON format|JSONDecodeError|does not name a version of MLflow",
        _NOT_MLFLOW,
    ),
    TextRule(
        r"No module named|ImportError|cannot import name",
        Advice(
            "A package is missing in the Python environment of the MLflow client.",
            "Install it there with: pip install 'headgate[mlflow]'",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class ResponseRule:
    """For responses that the gate did not make."""

    applies: Callable[[Exchange], bool]
    advice: Advice


def _says(phrase: str) -> Callable[[Exchange], bool]:
    return lambda exchange: phrase in exchange.message


def _status(*codes: int) -> Callable[[Exchange], bool]:
    return lambda exchange: exchange.status in codes


def _by_other(*codes: int) -> Callable[[Exchange], bool]:
    return lambda exchange: exchange.status in codes and answerer(exchange) is Answerer.OTHER


RESPONSE_RULES = (
    ResponseRule(
        _says(INVALID_HOST),
        Advice(
            "MLflow refuses the Host header of the request.",
            "Start MLflow with --allowed-hosts listing it (host and host:port), or set "
            "upstreams.default.host_header in the gate's configuration.",
        ),
    ),
    ResponseRule(
        _says(CROSS_ORIGIN),
        Advice(
            "MLflow refuses the Origin header of the request.",
            "Start MLflow with --cors-allowed-origins listing the public address.",
        ),
    ),
    ResponseRule(
        lambda exchange: 300 <= exchange.status < 400,
        Advice(
            "{url} redirects to {location}, and a redirected POST loses its body.",
            "Use the target of the redirect in --url; if that is a login page, exempt API paths "
            "from it.",
        ),
    ),
    ResponseRule(
        lambda exchange: exchange.status < 300 and exchange.content_type == "text/html",
        _NOT_MLFLOW,
    ),
    ResponseRule(
        _by_other(401),
        Advice(
            "A server in front of the gate requires its own credentials ({server}).",
            "Exempt API requests from it, or use the address of the gate itself in --url.",
        ),
    ),
    ResponseRule(
        _status(401),
        Advice(
            "MLflow itself requires credentials: its own authentication is on.",
            "Behind Headgate run MLflow without --app-name basic-auth; for a bare MLflow use "
            "--auth basic with MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
        ),
    ),
    ResponseRule(
        _by_other(403),
        Advice(
            "A server in front of the gate refuses the request ({server}).",
            "Look for a web application firewall or an access rule on it.",
        ),
    ),
    ResponseRule(
        _status(403),
        Advice(
            "MLflow's own permissions do not allow this request.",
            "Grant the user this permission in MLflow, or leave authorisation to the gate.",
        ),
    ),
    ResponseRule(
        lambda exchange: exchange.status == 404 and exchange.error_code == "ENDPOINT_NOT_FOUND",
        Advice(
            "This MLflow server does not have the endpoint.",
            "Compare the versions of client and server; the server may be too old.",
        ),
    ),
    ResponseRule(
        lambda exchange: exchange.status == 404 and bool(exchange.error_code),
        Advice(
            "MLflow does not have an object that an earlier step created.",
            "Look for two MLflow servers that do not share one database, or for another program "
            "that deletes objects.",
        ),
    ),
    ResponseRule(_by_other(404), _NOT_MLFLOW),
    ResponseRule(
        _status(404),
        Advice(
            "MLflow serves no such path: it received the prefix in --url.",
            "Use the address of the gate, which removes its prefixes, or MLflow's root in --url.",
        ),
    ),
    ResponseRule(
        _status(405),
        Advice(
            "The path exists, but does not allow the method.",
            "Look for a redirect or a rewrite in front of MLflow, and for a proxy that blocks "
            "PUT, PATCH or DELETE.",
        ),
    ),
    ResponseRule(
        _status(413),
        Advice(
            "A server on the request path limits the size of bodies ({server}).",
            "Raise its limit (nginx: client_max_body_size 0), or verify with a smaller --size.",
        ),
    ),
    ResponseRule(
        _status(429),
        Advice(
            "A server on the request path limits the rate of requests ({server}).",
            "Raise its limit, or wait and run again.",
        ),
    ),
    ResponseRule(
        _by_other(502, 503, 504),
        Advice(
            "A load balancer or proxy has no healthy gate behind it ({server}).",
            "Look at its health checks and at the gate's /-/readyz.",
        ),
    ),
    ResponseRule(
        _status(501),
        Advice(
            "MLflow's artifact store or tracking store cannot do this.",
            "Run MLflow with a database (--backend-store-uri) and with --artifacts-destination.",
        ),
    ),
    ResponseRule(
        lambda exchange: exchange.status >= 500,
        Advice(
            "MLflow failed while it handled the request.",
            "Read MLflow's log: the database, disk space and permissions of the artifact store are "
            "the usual causes.",
        ),
    ),
    ResponseRule(
        lambda exchange: 400 <= exchange.status < 500,
        Advice(
            "MLflow does not accept the request (status {status}).",
            "Compare the versions of client and server, and look for a proxy in front of MLflow "
            "that changes request bodies.",
        ),
    ),
)
