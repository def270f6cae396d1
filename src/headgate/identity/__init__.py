"""What is done to principals and keys, and by whom: one set of rules for the CLI and the API."""
