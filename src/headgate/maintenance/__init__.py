"""Maintenance of an upstream: parking its requests, and refusing writes, for a time."""

from headgate.maintenance.directive import Directive, Park, ReadOnly

__all__ = ["Directive", "Park", "ReadOnly"]
