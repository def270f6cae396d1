"""Connections to the endpoints of an upstream, and the pools that keep them."""
