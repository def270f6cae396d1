"""The sinks of events and outcomes: logs and counters, and the declarations that they follow."""
