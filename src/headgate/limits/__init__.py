"""Which requests may begin now: by how many are under way, and by who sends them."""

from headgate.limits.request_limits import Limit, RequestLimits

__all__ = ["Limit", "RequestLimits"]
