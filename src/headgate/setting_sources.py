"""Where settings are written: a TOML file, and variables of the environment.

Nothing is checked here beside the form.  It imports no more than the standard library, so that
``headgate health``, which needs one setting, is done before all of them could be checked.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from headgate.errors import ConfigError, Problem

ENVIRONMENT_PREFIX: Final = "HEADGATE_"
# Read elsewhere: the path of the file, the key of `headgate verify`, the service of `headgate ecs`.
NOT_SETTINGS: Final = frozenset(
    {"HEADGATE_CONFIG", "HEADGATE_API_KEY", "HEADGATE_ECS_CLUSTER", "HEADGATE_ECS_SERVICE"}
)
SHORTHAND: Final = {"MLFLOW_SERVER_URL": ("upstreams", "default", "url")}
OPS_LISTEN: Final = "127.0.0.1:9464"
"""The default of ``ops.listen``."""
# What Kubernetes sets in each container beside a Service that is called headgate:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_SERVICE_LINK = re.compile(r"HEADGATE_(?:SERVICE_HOST|SERVICE_PORT(?:_.+)?|PORT(?:_[0-9]+_.+)?)")


def read(file: Path) -> dict[str, Any]:
    """The settings in a file.

    Raises:
        ConfigError: it cannot be read, is empty, or is not TOML.
    """
    try:
        text = file.read_text(encoding="utf-8")
        # More likely truncated or not mounted than intended: all defaults would apply.
        if not text.strip():
            problem = "is empty; add a setting or a comment, or do not name a file"
            raise ConfigError([Problem(str(file), problem)])
        return tomllib.loads(text)
    except OSError as error:
        raise ConfigError([Problem(str(file), error.strerror or "cannot be read")]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem(str(file), "is not TOML: it is not UTF-8 text")]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Problem(str(file), f"is not TOML: {error}")]) from None


def path_of(name: str) -> tuple[str, ...] | None:
    """The path of the setting that a variable of the environment is for; ``None``: for none."""
    if name in SHORTHAND:
        return SHORTHAND[name]
    if not name.startswith(ENVIRONMENT_PREFIX) or name in NOT_SETTINGS:
        return None
    if _SERVICE_LINK.fullmatch(name):
        return None
    return tuple(name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"))


def ops_listen(file: Path | None, environment: Mapping[str, str]) -> str:
    """The setting ``ops.listen`` as it is written, unchecked; the environment overrides the file.

    Raises:
        ConfigError: the file cannot be read, or what it has is no text.
    """
    found = _of_ops("listen", file, environment)
    if found is None:
        return OPS_LISTEN
    if not isinstance(found, str):
        raise ConfigError([Problem("ops.listen", "must be a string, in quotes")])
    return found


def ops_wants_proxy_header(file: Path | None, environment: Mapping[str, str]) -> bool:
    """Whether ``ops.proxy_protocol`` has networks, unchecked; see ``ops_listen``.

    Raises:
        ConfigError: the file cannot be read.
    """
    return bool(_of_ops("proxy_protocol", file, environment))


def _of_ops(setting: str, file: Path | None, environment: Mapping[str, str]) -> object:
    """A setting of the table ``ops`` as it is written; ``None``: it is not there."""
    for name, value in environment.items():
        if path_of(name) == ("ops", setting):
            return value
    table = {} if file is None else read(file).get("ops", {})
    if not isinstance(table, dict):
        raise ConfigError([Problem("ops", "must be a table, [ops]")])
    return table.get(setting)
