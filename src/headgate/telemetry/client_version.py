"""The version of MLflow's client, as its ``User-Agent`` has it."""

from __future__ import annotations

import re
from typing import Final

# mlflow/utils/rest_utils.py, 3.18.0: _DEFAULT_HEADERS; MLflow's clients of other languages alike.
_CLIENT: Final = re.compile(rb"mlflow-[a-z]{1,20}-client/([0-9]++\.[0-9]++[0-9A-Za-z.]{0,16})")


def client_version(user_agent: bytes) -> str:
    """The version, such as ``3.17.2``; empty for other clients."""
    found = _CLIENT.match(user_agent)
    return "" if found is None else found[1].decode()
