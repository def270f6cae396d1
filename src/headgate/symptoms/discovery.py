"""How discovery can fail: each kind with its cause and its cure."""

from __future__ import annotations

from headgate.reasons import Reason
from headgate.symptoms.symptom import Symptom

_CHECK_NAME = "Check the name in this upstream's url, and that the gate can resolve it"
_RESOLVER = "Check the DNS server that the gate uses (resolver of this upstream)"
_CLOUD_MAP = "Check that the gate can use AWS Cloud Map for this upstream's url"


class DiscoveryFailure(Symptom):
    """Why a source of discovery names no endpoint; the adapters read it from their libraries."""

    NAME_UNKNOWN = (
        "name_unknown",
        Reason.NO_ENDPOINT,
        _CHECK_NAME,
        (
            "Correct the name in the URL, or add it to the DNS that the gate uses: the server "
            "in upstreams.NAME.resolver, or those in /etc/resolv.conf."
        ),
    )
    NO_RECORD = (
        "no_record",
        Reason.NO_ENDPOINT,
        _CHECK_NAME,
        "The name exists but has no address: register MLflow's servers there, or correct the URL.",
    )
    RESOLVER_FAILED = (
        "resolver_failed",
        Reason.NO_ENDPOINT,
        _RESOLVER,
        (
            "The DNS server failed: check its log, and the servers of the zone. "
            "upstreams.NAME.resolver sets another one."
        ),
    )
    RESOLVER_SILENT = (
        "resolver_silent",
        Reason.NO_ENDPOINT,
        _RESOLVER,
        (
            "Make the DNS server reachable from this machine over UDP and TCP (port 53 by "
            "default): the one in upstreams.NAME.resolver, or those in /etc/resolv.conf; or set "
            "another one."
        ),
    )
    RESOLVER_MISSING = (
        "resolver_missing",
        Reason.NO_ENDPOINT,
        _RESOLVER,
        "Set a DNS server in /etc/resolv.conf or in upstreams.NAME.resolver.",
    )
    SPECIAL_ADDRESS = (
        "special_address",
        Reason.NO_ENDPOINT,
        "Check the addresses of the name in this upstream's url: MLflow has no such address",
        (
            "Cloud metadata services have such addresses, MLflow does not: correct the addresses "
            "of the name in the URL. If you mean it, set upstreams.NAME.allow_link_local."
        ),
    )
    BAD_SRV_RECORD = (
        "bad_srv_record",
        Reason.NO_ENDPOINT,
        "Check the SRV records that this upstream's url names",
        "Publish SRV records that name a port and a host, or correct the URL.",
    )
    SERVICE_UNKNOWN = (
        "service_unknown",
        Reason.NO_ENDPOINT,
        "Check the namespace and the service in this upstream's url",
        "Correct the namespace and the service in the URL, or the AWS region.",
    )
    NO_INSTANCE = (
        "no_instance",
        Reason.NO_ENDPOINT,
        "Check that MLflow's tasks run and are registered",
        "Register MLflow's tasks with the service, or correct the URL.",
    )
    NO_CREDENTIALS = (
        "no_credentials",
        Reason.NO_ENDPOINT,
        _CLOUD_MAP,
        (
            "Give this machine AWS credentials: a role of the task or the instance, or a profile "
            "(AWS_PROFILE)."
        ),
    )
    CREDENTIALS_REFUSED = (
        "credentials_refused",
        Reason.NO_ENDPOINT,
        _CLOUD_MAP,
        "AWS does not accept these credentials: renew them, or correct the profile.",
    )
    ACCESS_DENIED = (
        "access_denied",
        Reason.NO_ENDPOINT,
        _CLOUD_MAP,
        (
            "Allow this role servicediscovery:DiscoverInstances and "
            "servicediscovery:DiscoverInstancesRevision."
        ),
    )
    API_UNREACHABLE = (
        "api_unreachable",
        Reason.NO_ENDPOINT,
        _CLOUD_MAP,
        (
            "Make AWS Cloud Map reachable from this machine: from a private subnet through a VPC "
            "endpoint for data-servicediscovery, or a NAT gateway."
        ),
    )
    THROTTLED = (
        "throttled",
        Reason.NO_ENDPOINT,
        _CLOUD_MAP,
        (
            "AWS limits the rate of Cloud Map requests of this account: run fewer gates or "
            "workers, or request a higher quota."
        ),
    )
    OTHER = (
        "other",
        Reason.NO_ENDPOINT,
        _CHECK_NAME,
        "Check the URL, and that this machine can use the DNS server or API for it.",
    )
