"""Makes the dashboards, rules and alarms of a gate; `make docs` writes them."""
