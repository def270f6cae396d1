"""The page of environment variables: one for each setting, and those that are no settings."""

from __future__ import annotations

from typing import Final

from docs.reference_pages import configuration
from docs.reference_pages.markdown import GENERATED, table
from headgate.setting_sources import NOT_SETTINGS, SHORTHAND

_INTRODUCTION = """# Environment variables

Each [setting](configuration.md) has a variable: `HEADGATE_`, then the path of the setting in
capitals, with two underscores between its parts. Variables override the file. The names of
upstreams, roles and issuers stand for `NAME`. An unknown variable that begins with `HEADGATE_` is
an error, so that a mistyped one cannot be ignored. The
[configuration reference](configuration.md) has the meaning of each.

"""
_OTHERS: Final = {
    "MLFLOW_SERVER_URL": ("the gate", "Another name of `HEADGATE_UPSTREAMS__DEFAULT__URL`."),
    "HEADGATE_CONFIG": ("all commands", "Path of the configuration file, as `--config`."),
    "HEADGATE_API_KEY": ("`headgate verify`, `--url`", "The key that the command sends."),
    "HEADGATE_ECS_CLUSTER": ("`headgate ecs`", "The cluster, as `--cluster`."),
    "HEADGATE_ECS_SERVICE": ("`headgate ecs`", "The service, as `--service`."),
    "MLFLOW_TRACKING_TOKEN": ("`headgate verify`", "The key, if `HEADGATE_API_KEY` is not set."),
    "MLFLOW_TRACKING_PASSWORD": ("`headgate verify`", "The key, if neither of the two is set."),
    "MLFLOW_TRACKING_SERVER_CERT_PATH": ("`headgate verify`", "A private authority."),
    "MLFLOW_TRACKING_CLIENT_CERT_PATH": ("`headgate verify`", "A client certificate and its key."),
    "OTEL_EXPORTER_OTLP_ENDPOINT": (
        "the gate",
        "The collector; with the others of [OTLP](../how-to/send-to-opentelemetry.md).",
    ),
    "OTEL_RESOURCE_ATTRIBUTES": ("the gate", "Attributes of its spans and metrics."),
    "OTEL_SERVICE_NAME": ("the gate", "The name of the service in spans and metrics."),
    "OTEL_SDK_DISABLED": ("the gate", "`true`: nothing is sent to a collector."),
    "AWS_REGION": ("Cloud Map, `headgate ecs`", "The region; boto3 reads its other variables too."),
    "NO_COLOR": ("all commands", "No colours."),
    "TMPDIR": ("the gate", "Where workers share the results of health checks."),
}
"""Variables that are no settings: who reads them, and what for."""


def page() -> str:
    """The whole page.

    Raises:
        KeyError: a variable that the code names as no setting is not described here.
    """
    for name in (*NOT_SETTINGS, *SHORTHAND):
        _ = _OTHERS[name]
    settings = table(("Variable", "Setting", "Type", "Default"), configuration.variables())
    others = table(
        ("Variable", "Read by", "Meaning"),
        ((f"`{name}`", reader, meaning) for name, (reader, meaning) in _OTHERS.items()),
    )
    clients = (
        "\nWhat MLflow's client reads, and other clients, is on the page about [setting up "
        "clients](../how-to/set-up-clients.md).\n"
    )
    return f"{GENERATED}{_INTRODUCTION}## Settings\n\n{settings}\n## Others\n\n{others}{clients}"
