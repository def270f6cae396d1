"""How the endpoints of an upstream are found: one adapter for each kind of URL.

An adapter runs for as long as the gate does and reports what it finds; it decides nothing.
"""

from headgate.discovery.report import Discovery, Report
from headgate.discovery.select import discovery_for

__all__ = ["Discovery", "Report", "discovery_for"]
