"""Builds a running gate from a ``Config``: the only package that knows every concrete class.

Read it from the top: ``supervisor`` binds the port and starts the workers, ``worker`` wires what
one of them runs, ``authentication`` and ``control`` wire the two parts that need more than a line.
"""

from headgate.compose.logs import start_event_log
from headgate.compose.source import ConfigSource
from headgate.compose.supervisor import Listening, serve

__all__ = ["ConfigSource", "Listening", "serve", "start_event_log"]
