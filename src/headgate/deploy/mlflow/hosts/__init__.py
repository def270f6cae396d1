"""The hosts on one machine: ``headgate up``, and units of systemd."""
