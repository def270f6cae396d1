"""Which requests may begin now: by how many are under way, and by who sends them."""

from headgate.limits.addresses import AddressRate
from headgate.limits.gcra import Rate
from headgate.limits.request_limits import Limit, RequestLimits

__all__ = ["AddressRate", "Limit", "Rate", "RequestLimits"]
