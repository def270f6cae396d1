"""Deploying a gate: what is done to the services that run it."""
