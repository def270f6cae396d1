"""What helps against each way in which MLflow cannot be found or asked: the doctor's cures."""

from __future__ import annotations

from headgate.config import Upstream
from headgate.contract.diagnosis import AskError
from headgate.dataplane.call import CallError, CallFailure
from headgate.reasons import Reason


def discovery_cure(error: str, settings: Upstream) -> str:
    """Against an error that discovery told."""
    asked = settings.resolver or "the system's resolver (/etc/resolv.conf)"
    for sign, cure in _DISCOVERY_CURES:
        if sign in error:
            return cure.format(url=settings.url, asked=asked)
    return f"Check {settings.url}, and that this machine may ask what it names."


_DISCOVERY_CURES = (
    (
        "NXDOMAIN",
        (
            "Correct the name in {url}, or publish it in the DNS that {asked} asks; "
            "upstreams.NAME.resolver names another resolver."
        ),
    ),
    (
        "no such record",
        ("The name exists and has no address: register MLflow's servers there, or correct {url}."),
    ),
    (
        "SERVFAIL",
        (
            "{asked} could not find out: look into its log, and at the servers of the zone. "
            "upstreams.NAME.resolver names another resolver."
        ),
    ),
    (
        "no resolver answered",
        (
            "Let this machine reach {asked}, over UDP and TCP (port 53 where it names no other), "
            "or name another resolver in upstreams.NAME.resolver."
        ),
    ),
    (
        "link-local",
        (
            "Cloud metadata services have such addresses, and MLflow has none: correct what the "
            "name in {url} leads to. If it is meant, set upstreams.NAME.allow_link_local."
        ),
    ),
    ("NotFound", "Correct the namespace and the service in {url}; the region counts, too."),
    (
        "redentials",
        (
            "Give this machine credentials of AWS: a role of the task or the instance, or a "
            "profile (AWS_PROFILE)."
        ),
    ),
    (
        "AccessDenied",
        (
            "Allow this role servicediscovery:DiscoverInstances and "
            "servicediscovery:DiscoverInstancesRevision."
        ),
    ),
    (
        "security token",
        ("AWS does not take these credentials, or no longer: renew them, or correct the profile."),
    ),
    (
        "endpoint URL",
        (
            "Let this machine reach AWS Cloud Map: from a private subnet through a VPC endpoint "
            "for data-servicediscovery, or a NAT."
        ),
    ),
    (
        "SRV record",
        ("Publish SRV records that name a port and a host, or correct {url}."),
    ),
    ("no healthy instance", "Register MLflow's tasks with the service, or correct {url}."),
)
"""What stands in an error of discovery, and what helps; the first that fits counts."""


REASONS = {
    CallFailure.NO_ENDPOINT: Reason.NO_ENDPOINT,
    CallFailure.FULL: Reason.OVERLOADED,
    CallFailure.CONNECT: Reason.UPSTREAM_CONNECT,
    CallFailure.DROPPED: Reason.UPSTREAM_CONNECT,
    CallFailure.NO_CONNECTION: Reason.UPSTREAM_CONNECT,
    CallFailure.TLS: Reason.UPSTREAM_TLS,
    CallFailure.RESET: Reason.UPSTREAM_RESET,
    CallFailure.TIMEOUT: Reason.UPSTREAM_TIMEOUT,
    CallFailure.INVALID: Reason.UPSTREAM_ERROR,
    CallFailure.TOO_LONG: Reason.UPSTREAM_ERROR,
}
"""The reason code of each way in which a request of the gate's own has no response."""


def ask_error(error: CallError) -> AskError:
    """The same, for whoever uses an API of MLflow's."""
    return AskError(error.detail, REASONS[error.failure], call_cure(error))


def call_cure(error: CallError) -> str:
    """Against a request of the gate's own that had no response."""
    if error.failure is CallFailure.TLS:
        return next((cure for sign, cure in _TLS_CURES if sign in error.detail), _TLS_CURE)
    return _CURES[error.failure]


_TLS_CURES = (
    ("has expired", "Renew the certificate of what listens there: it has run out."),
    ("not yet valid", "Set this machine's clock, or that of whoever made the certificate."),
    (
        "mismatch",
        (
            "Let the URL name MLflow as its certificate does, or set "
            "upstreams.NAME.tls.server_name to the name that it bears."
        ),
    ),
    (
        "certificate verify failed",
        "Set upstreams.NAME.tls.ca to a file with the authority that signed MLflow's certificate.",
    ),
    ("certificate required", "Set upstreams.NAME.tls.certificate: it asks the gate for one."),
    (
        "wrong version number",
        "What listens there speaks plain HTTP, it seems: write http:// in the URL.",
    ),
)
"""What stands in an error of TLS, and what helps; the first that fits counts."""
_TLS_CURE = (
    "What listens there does not speak TLS as the gate does: if it speaks plain HTTP, write "
    "http:// in the URL; if it asks for a certificate, set upstreams.NAME.tls.certificate."
)
_CURES = {
    CallFailure.NO_ENDPOINT: (
        "Register MLflow's servers with what discovery asks, or correct the URL."
    ),
    CallFailure.FULL: (
        "Run more MLflow servers, or raise upstreams.NAME.balance.max_in_flight if these can bear "
        "more."
    ),
    CallFailure.CONNECT: (
        "Start MLflow there, with --host 0.0.0.0 if it is on another machine; or correct the "
        "address and the port."
    ),
    CallFailure.NO_CONNECTION: (
        "Let security groups and firewalls pass the gate's connections to that port, or correct "
        "the address; where the URL says https, see that TLS is spoken there."
    ),
    CallFailure.DROPPED: (
        "Something there accepts connections and drops them immediately, such as a balancer "
        "without a server behind it: is it MLflow, and is it http or https?"
    ),
    CallFailure.RESET: (
        "Something there accepts connections and drops them: look into MLflow's log for a crash "
        "or a lack of memory; is it MLflow, and is it http or https?"
    ),
    CallFailure.TIMEOUT: (
        "MLflow hangs, or something on the way swallows packets; look into MLflow's log, at its "
        "database and at the network."
    ),
    CallFailure.INVALID: "Something else than an HTTP server listens there; is it https?",
    CallFailure.TOO_LONG: "Something else than MLflow listens there; correct the URL.",
}
