"""How a connection can fail: each kind with its cause and its cure."""

from __future__ import annotations

from headgate.reasons import Reason
from headgate.symptoms.symptom import Symptom


class ConnectionFailure(Symptom):
    """Why there is no connection; ``causes.connection_failure`` reads it from an exception."""

    REFUSED = (
        "refused",
        Reason.UPSTREAM_CONNECT,
        "MLflow is not running there, or listens on another port or only on 127.0.0.1",
        (
            "Start MLflow there, with --host 0.0.0.0 if it is on another machine; or correct the "
            "address and the port."
        ),
    )
    NO_ROUTE = (
        "no_route",
        Reason.UPSTREAM_CONNECT,
        "The gate has no route to this address",
        (
            "Correct the address, or give this machine a route to it: look at its subnets, its "
            "VPN and its firewall."
        ),
    )
    NO_RESPONSE = (
        "no_response",
        Reason.UPSTREAM_CONNECT,
        (
            "Nothing responds there: a firewall or security group drops the gate's packets, or the "
            "address is wrong"
        ),
        (
            "Allow the gate's connections to this port in security groups and firewalls, or "
            "correct the address. If the URL is https, check that the server there uses TLS."
        ),
    )
    DROPPED = (
        "dropped",
        Reason.UPSTREAM_CONNECT,
        "The server there accepts connections and closes them immediately: is it MLflow?",
        (
            "The server there accepts connections and closes them immediately, like a load "
            "balancer without a healthy server. Check that it is MLflow, and whether it is http or "
            "https."
        ),
    )
    CERTIFICATE_EXPIRED = (
        "certificate_expired",
        Reason.UPSTREAM_TLS,
        "Its certificate has expired: renew it",
        (
            "Renew the certificate of the server there: it has expired. If it has not, correct "
            "this machine's clock."
        ),
    )
    CERTIFICATE_NOT_YET_VALID = (
        "certificate_not_yet_valid",
        Reason.UPSTREAM_TLS,
        "Its certificate is not valid yet: the clock of the gate or of the authority is wrong",
        "Correct the clock of this machine, or of the machine that issued the certificate.",
    )
    CERTIFICATE_NAME = (
        "certificate_name",
        Reason.UPSTREAM_TLS,
        "Its certificate is for another name: set tls.server_name of this upstream to that name",
        (
            "Use the name in MLflow's certificate in the URL, or set "
            "upstreams.NAME.tls.server_name to it."
        ),
    )
    CERTIFICATE_UNTRUSTED = (
        "certificate_untrusted",
        Reason.UPSTREAM_TLS,
        "No authority that the gate trusts has signed its certificate: set tls.ca of this upstream",
        "Set upstreams.NAME.tls.ca to a file with the authority that signed MLflow's certificate.",
    )
    CLIENT_CERTIFICATE_WANTED = (
        "client_certificate_wanted",
        Reason.UPSTREAM_TLS,
        "It requires a client certificate: set tls.certificate of this upstream",
        "Set upstreams.NAME.tls.certificate: the server there requires a client certificate.",
    )
    CLIENT_CERTIFICATE_REFUSED = (
        "client_certificate_refused",
        Reason.UPSTREAM_TLS,
        "It does not accept the gate's certificate: see tls.certificate of this upstream",
        (
            "Set upstreams.NAME.tls.certificate to a valid certificate of an authority that the "
            "server there trusts."
        ),
    )
    PLAIN_HTTP = (
        "plain_http",
        Reason.UPSTREAM_TLS,
        "The server there does not use TLS: is it http?",
        "The server there seems to use plain HTTP: write http:// in the URL.",
    )
    TLS_FAILED = (
        "tls_failed",
        Reason.UPSTREAM_TLS,
        (
            "The TLS handshake with the server there failed: is it http, or does it require a "
            "client certificate (tls.certificate of this upstream)?"
        ),
        (
            "The TLS handshake with the server there failed: if it uses plain HTTP, write http:// "
            "in the URL; if it requires a client certificate, set upstreams.NAME.tls.certificate."
        ),
    )
    OTHER = (
        "other",
        Reason.UPSTREAM_CONNECT,
        "The gate's own machine did not open the connection",
        (
            "The message is from this machine's operating system: check that the address is valid, "
            "and that the gate may open enough files and connections."
        ),
    )
