"""The admin API: what the command line does to keys and principals, over HTTP."""

from headgate.control.api.log_levels import LogLevelFacts
from headgate.control.api.maintenance import MaintenanceFacts
from headgate.control.api.openapi import description
from headgate.control.api.pages import AdminFacts, InForce, admin_pages
from headgate.control.api.store_thread import StoreThread

__all__ = [
    "AdminFacts",
    "InForce",
    "LogLevelFacts",
    "MaintenanceFacts",
    "StoreThread",
    "admin_pages",
    "description",
]
