"""A running gate: the decisions in their order, the listener, and the end of both."""
