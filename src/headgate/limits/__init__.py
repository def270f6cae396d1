"""Which requests may begin now: by how many are under way, and by who sends them."""

from headgate.limits.addresses import AddressRate
from headgate.limits.buckets import Buckets
from headgate.limits.gcra import UNLIMITED, Rate
from headgate.limits.principal_limits import PrincipalLimits
from headgate.limits.request_limits import Limit, RequestLimits
from headgate.limits.rules import RoleRules, Rules
from headgate.limits.strangers import Strangers
from headgate.limits.tally import LIMITS, QUEUE, Tally
from headgate.limits.worker_limits import SharedBuckets, WorkerLimits, own_buckets

__all__ = [
    "LIMITS",
    "QUEUE",
    "UNLIMITED",
    "AddressRate",
    "Buckets",
    "Limit",
    "PrincipalLimits",
    "Rate",
    "RequestLimits",
    "RoleRules",
    "Rules",
    "SharedBuckets",
    "Strangers",
    "Tally",
    "WorkerLimits",
    "own_buckets",
]
