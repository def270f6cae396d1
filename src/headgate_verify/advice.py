"""What each kind of failure means to an operator, and what to do next.  Tables, no code.

Texts may name ``{url}``, ``{address}`` and ``{host}`` (the server under test), and
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
    """The likely cause, and the next thing to do.  ``{url}`` and the like are filled in."""

    cause: str
    action: str


MISMATCH = Advice(
    "Every request succeeded, and what was read back is not what was sent.",
    "Something between this program and MLflow's store changes data: look for a proxy that "
    "rewrites bodies, and for two MLflow servers that do not share one database and store.",
)
LOCAL = Advice(
    "The MLflow client failed on this machine, before it sent a request.",
    "Mend the Python environment that the message speaks of, or name another with --python.",
)
_NOT_MLFLOW = Advice(
    "What answers at {url} is neither Headgate nor MLflow ({server}).",
    "Correct the host, the port or the prefix in --url; if a login page stands before the gate, "
    "let API requests pass it.",
)
UNKNOWN_REASON = Advice(
    "The gate refused the request.",
    "Do what its message says; its log has the details under the request id.",
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
        "Correct the host in --url, or publish it in the DNS that this machine asks.",
    ),
    Fault.UNREACHABLE: Advice(
        "This machine has no route to {host}.",
        "Check the address, the VPN and the routes of this machine.",
    ),
    Fault.TLS: Advice(
        "The TLS connection to {address} could not be made or is not trusted.",
        "For a private certificate authority set MLFLOW_TRACKING_SERVER_CERT_PATH to its file; "
        "where clients must show a certificate, MLFLOW_TRACKING_CLIENT_CERT_PATH to a file with it "
        "and its key; if the port speaks plain HTTP, use http:// in --url.",
    ),
    Fault.PROXY: Advice(
        "The HTTP proxy that this environment names did not pass the request on.",
        "Put {host} into NO_PROXY, or correct HTTP_PROXY and HTTPS_PROXY.",
    ),
    Fault.CONNECT_TIMEOUT: Advice(
        "{address} does not answer connection attempts.",
        "A firewall or security group drops them, or the address is wrong: open the port for "
        "this machine, or correct --url.",
    ),
    Fault.READ_TIMEOUT: Advice(
        "The connection stands, and no response came in time.",
        "Look at the load and the log of the gate and of MLflow; a firewall between them that "
        "drops packets looks the same.",
    ),
    Fault.BROKEN_OFF: Advice(
        "The connection was broken off in the middle.",
        "Look for a restart of the gate or of MLflow, or for a load balancer with a size or "
        "time limit in between; then run this again. Where clients of an https:// address must "
        "show a certificate, set MLFLOW_TRACKING_CLIENT_CERT_PATH to a file with it and its key.",
    ),
    Fault.OTHER: Advice(
        "The request could not be sent, or its response could not be read.",
        "Read the message; it comes from the HTTP library of the MLflow client.",
    ),
}

_MLFLOW_DOWN = (
    "Start MLflow or correct its address in the gate's configuration, then run again; "
    "`headgate doctor` on the gate's machine shows what is wrong."
)
REASONS: Mapping[str, Advice] = {
    "unauthenticated": Advice(
        "The gate does not know the key it was sent, or the key was revoked.",
        "Look at `headgate keys list` on the gate's machine; make a new key with "
        "`headgate keys create NAME` and put it into HEADGATE_API_KEY.",
    ),
    "forbidden": Advice(
        "The gate knows the key, and its role does not allow this request.",
        "Use a key whose role may create and delete experiments, runs and models.",
    ),
    "route_unknown": Advice(
        "The gate serves no such path: the prefix in --url is not one of its own.",
        "Correct the path in {url}: by default the gate serves none, /mlflow and /api/mlflow.",
    ),
    "request_ambiguous": Advice(
        "The request reached the gate in a form that two programs could read differently.",
        "Look for a proxy in front of the gate that rewrites paths or headers.",
    ),
    "request_malformed": Advice(
        "What reached the gate is not a valid HTTP/1.1 request.",
        "Look for a proxy in front of the gate that rewrites requests, or a TLS listener that "
        "forwards bytes of another protocol.",
    ),
    "body_too_large": Advice(
        "The body is over the limit the gate sets for its route.",
        "Raise the limit in the gate's configuration, or verify with a smaller --size.",
    ),
    "rate_limited": Advice(
        "The gate limits how much this key may send at once.",
        "Wait and run again, or raise the key's limit.",
    ),
    "overloaded": Advice(
        "The gate is at one of its configured limits.",
        "Look at its load; raise the limit or add workers.",
    ),
    "draining": Advice(
        "The gate is shutting down.",
        "Wait until the deployment has finished, then run again.",
    ),
    "no_endpoint": Advice(
        "The gate knows no MLflow server: discovery names none.",
        "Correct the name in the gate's configuration; `headgate doctor` shows what it finds.",
    ),
    "upstream_connect": Advice("MLflow does not accept connections from the gate.", _MLFLOW_DOWN),
    "upstream_tls": Advice(
        "The gate and MLflow cannot make a TLS connection that the gate trusts.",
        "Set tls.ca or tls.server_name of the gate's upstream; `headgate doctor` says which.",
    ),
    "upstream_host_refused": Advice(
        "MLflow's Host check does not know the name by which the gate speaks to it.",
        "Start MLflow with that name in --allowed-hosts; `headgate doctor` says which.",
    ),
    "upstream_credentials": Advice(
        "MLflow runs with an authentication of its own and does not accept what the gate shows it.",
        "Set `credentials` of the gate's upstream, with policy 'replace'.",
    ),
    "upstream_not_json": Advice(
        "A web page came where MLflow answers JSON: it failed, or something else listens there.",
        "Look into MLflow's log; `headgate doctor` shows what answers the gate.",
    ),
    "upstream_timeout": Advice(
        "MLflow accepted the request and stayed silent.",
        "Look at MLflow's load, its database and its artifact store.",
    ),
    "upstream_reset": Advice(
        "MLflow broke the connection to the gate off.",
        "Look into MLflow's log for a crash, a restart or a lack of memory.",
    ),
    "upstream_error": Advice(
        "What answered the gate does not speak HTTP as MLflow does.",
        "Check that the gate's upstream address is MLflow's own port.",
    ),
    "internal": Advice(
        "A defect of the gate.",
        "Its log holds the cause under the request id; please report it.",
    ),
}


@dataclass(frozen=True, slots=True)
class TextRule:
    """For failures without a failed request: only the client's words tell what happened."""

    pattern: str
    advice: Advice


TEXT_RULES = (
    TextRule(
        r"^interrupted$",
        Advice("The verification was stopped.", "Run it again when it suits."),
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
            "Point TMPDIR at a folder with room for the large file, or choose a smaller --size.",
        ),
    ),
    TextRule(
        r"(?i)boto3|botocore|google\.cloud|azure\.storage|own disk",
        Advice(
            "MLflow told the client to use its artifact store directly, past the gate.",
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
            "MLflow refuses the Host header it was sent.",
            "Start MLflow with --allowed-hosts naming it (host and host:port), or set "
            "upstreams.default.host_header at the gate.",
        ),
    ),
    ResponseRule(
        _says(CROSS_ORIGIN),
        Advice(
            "MLflow refuses the Origin header it was sent.",
            "Start MLflow with --cors-allowed-origins naming the public address.",
        ),
    ),
    ResponseRule(
        lambda exchange: 300 <= exchange.status < 400,
        Advice(
            "{url} redirects to {location}, and a redirected POST loses its body.",
            "Use the address it redirects to in --url; if that is a login page, let API paths "
            "pass without it.",
        ),
    ),
    ResponseRule(
        lambda exchange: exchange.status < 300 and exchange.content_type == "text/html",
        _NOT_MLFLOW,
    ),
    ResponseRule(
        _by_other(401),
        Advice(
            "Something in front of the gate asks for credentials of its own ({server}).",
            "Let API requests pass it, or point --url at the gate itself.",
        ),
    ),
    ResponseRule(
        _status(401),
        Advice(
            "MLflow itself asks for credentials: its own authentication is switched on.",
            "Behind Headgate run MLflow without --app-name basic-auth; for a bare MLflow use "
            "--auth basic with MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
        ),
    ),
    ResponseRule(
        _by_other(403),
        Advice(
            "Something in front of the gate refuses the request ({server}).",
            "Look for a web application firewall or an access rule there.",
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
            "MLflow does not have what an earlier step made.",
            "Look for two MLflow servers that do not share one database, or another program "
            "that removes things.",
        ),
    ),
    ResponseRule(_by_other(404), _NOT_MLFLOW),
    ResponseRule(
        _status(404),
        Advice(
            "MLflow serves no such path: the prefix in --url reached it.",
            "Point --url at the gate, which removes its prefixes, or at MLflow's own root.",
        ),
    ),
    ResponseRule(
        _status(405),
        Advice(
            "The path exists and the method is not allowed there.",
            "Look for a redirect or a rewrite in front of MLflow, and for a proxy that blocks "
            "PUT, PATCH or DELETE.",
        ),
    ),
    ResponseRule(
        _status(413),
        Advice(
            "A server on the way limits the size of a body ({server}).",
            "Raise its limit (nginx: client_max_body_size 0), or verify with a smaller --size.",
        ),
    ),
    ResponseRule(
        _status(429),
        Advice(
            "A server on the way limits the rate of requests ({server}).",
            "Raise its limit, or wait and run again.",
        ),
    ),
    ResponseRule(
        _by_other(502, 503, 504),
        Advice(
            "A load balancer or proxy has no healthy gate behind it ({server}).",
            "Look at its target health and at the gate's /-/readyz.",
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
            "MLflow failed while it carried the request out.",
            "Look into MLflow's log: database, disk space and rights of the artifact store "
            "are the usual causes.",
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
