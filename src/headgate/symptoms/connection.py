"""How a connection can fail: each kind with its cause and its cure."""

from __future__ import annotations

from headgate.reasons import Reason
from headgate.symptoms.symptom import Symptom


class ConnectionFailure(Symptom):
    """Why there is no connection; ``causes.connection_failure`` reads it from an exception."""

    REFUSED = (
        "refused",
        Reason.UPSTREAM_CONNECT,
        "MLflow does not run there, or listens on another port or on 127.0.0.1 alone",
        (
            "Start MLflow there, with --host 0.0.0.0 if it is on another machine; or correct the "
            "address and the port."
        ),
    )
    NO_ROUTE = (
        "no_route",
        Reason.UPSTREAM_CONNECT,
        "The gate has no route to that address",
        (
            "Correct the address, or give this machine a route to it: look at its subnets, its "
            "VPN and its firewall."
        ),
    )
    NO_RESPONSE = (
        "no_response",
        Reason.UPSTREAM_CONNECT,
        (
            "Nothing responds there: a firewall or security group drops what the gate sends, or "
            "the address is wrong"
        ),
        (
            "Let security groups and firewalls pass the gate's connections to that port, or "
            "correct the address; where the URL says https, see that TLS is spoken there."
        ),
    )
    DROPPED = (
        "dropped",
        Reason.UPSTREAM_CONNECT,
        "Something there accepts connections and drops them immediately: is it MLflow?",
        (
            "Something there accepts connections and drops them immediately, such as a load "
            "balancer without a server behind it: is it MLflow, and is it http or https?"
        ),
    )
    CERTIFICATE_EXPIRED = (
        "certificate_expired",
        Reason.UPSTREAM_TLS,
        "Its certificate has expired: renew it",
        (
            "Renew the certificate of what listens there: it has expired. If it has not, set this "
            "machine's clock."
        ),
    )
    CERTIFICATE_NOT_YET_VALID = (
        "certificate_not_yet_valid",
        Reason.UPSTREAM_TLS,
        "Its certificate is not valid yet: a clock is wrong, the gate's or that of the authority",
        "Set this machine's clock, or that of the machine that issued the certificate.",
    )
    CERTIFICATE_NAME = (
        "certificate_name",
        Reason.UPSTREAM_TLS,
        "Its certificate is for another name: set tls.server_name of this upstream to that name",
        (
            "Let the URL name MLflow as its certificate does, or set "
            "upstreams.NAME.tls.server_name to a name in the certificate."
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
        "It demands a certificate of the gate: set tls.certificate of this upstream",
        "Set upstreams.NAME.tls.certificate: the server there asks the gate for one.",
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
        "What listens there does not speak TLS: is it http?",
        "What listens there speaks plain HTTP, it seems: write http:// in the URL.",
    )
    TLS_FAILED = (
        "tls_failed",
        Reason.UPSTREAM_TLS,
        (
            "What listens there does not speak TLS as the gate does: is it http, or does it want a "
            "certificate (tls.certificate of this upstream)?"
        ),
        (
            "What listens there does not speak TLS as the gate does: if it speaks plain HTTP, "
            "write http:// in the URL; if it asks for a certificate, set "
            "upstreams.NAME.tls.certificate."
        ),
    )
    OTHER = (
        "other",
        Reason.UPSTREAM_CONNECT,
        "The gate's own machine did not open the connection",
        (
            "The message is that of this machine's system: see that the address is one that can be "
            "connected to, and that the gate may open as many files and connections as it needs."
        ),
    )
