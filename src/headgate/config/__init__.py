"""The configuration: one frozen ``Config``, checked in one go, every problem with its path."""

from headgate.config.load import load
from headgate.config.schema import AuthMode, Config, Limits, Listen, Upstream

__all__ = ["AuthMode", "Config", "Limits", "Listen", "Upstream", "load"]
