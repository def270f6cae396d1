"""Maintenance of an upstream: parking its requests, and refusing writes, for a time."""

from headgate.maintenance.directive import Directive, Park, ReadOnly
from headgate.maintenance.hold_end import HoldEnd
from headgate.maintenance.policy import ParkingPolicy
from headgate.maintenance.release_window import ReleaseWindow
from headgate.maintenance.sharing import Sharing
from headgate.maintenance.states import BY_STATE, STATES, TRANSITIONS, Admission, Cause, ParkState
from headgate.maintenance.upstream import Standing, UpstreamMaintenance, merged

__all__ = [
    "BY_STATE",
    "STATES",
    "TRANSITIONS",
    "Admission",
    "Cause",
    "Directive",
    "HoldEnd",
    "Park",
    "ParkState",
    "ParkingPolicy",
    "ReadOnly",
    "ReleaseWindow",
    "Sharing",
    "Standing",
    "UpstreamMaintenance",
    "merged",
]
