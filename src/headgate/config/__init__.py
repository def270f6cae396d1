"""The configuration: one frozen ``Config``, checked in one go, every problem with its path."""

from headgate.config.auth import Auth, AuthMode
from headgate.config.cloudwatch import CloudWatch
from headgate.config.credentials import CredentialPolicy, CredentialSettings
from headgate.config.issuers import Algorithm, Issuer, Rule
from headgate.config.limits import Limits
from headgate.config.load import load
from headgate.config.log import HealthChecks, Log, LogFormat, SampleRule
from headgate.config.ops import Ops
from headgate.config.otlp import Compression, Otlp, Traces
from headgate.config.roles import Role
from headgate.config.schema import Config, Listen, ListenTls
from headgate.config.secret_files import exposed_secrets
from headgate.config.shields import ShieldRule, Shields
from headgate.config.telemetry import Telemetry
from headgate.config.upstream import BodyLimits, Upstream, UpstreamTls

__all__ = [
    "Algorithm",
    "Auth",
    "AuthMode",
    "BodyLimits",
    "CloudWatch",
    "Compression",
    "Config",
    "CredentialPolicy",
    "CredentialSettings",
    "HealthChecks",
    "Issuer",
    "Limits",
    "Listen",
    "ListenTls",
    "Log",
    "LogFormat",
    "Ops",
    "Otlp",
    "Role",
    "Rule",
    "SampleRule",
    "ShieldRule",
    "Shields",
    "Telemetry",
    "Traces",
    "Upstream",
    "UpstreamTls",
    "exposed_secrets",
    "load",
]
