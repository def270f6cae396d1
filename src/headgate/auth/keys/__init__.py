"""API keys: their form, all of them in memory, and what keeps that in step with a store."""
