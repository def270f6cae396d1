"""Host names in the configuration."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Final

from pydantic import BeforeValidator

from headgate.config.section import listed

# RFC 3986's reg-name without percent-encoding and sub-delims, or an IP address; then a port.
_NAME: Final = re.compile(
    r"([a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?"
)
LAST_PORT: Final = 65_535


def is_host_name(text: str) -> bool:
    """Whether ``text``, in lower case, is a host name or an address, with or without a port."""
    match = _NAME.fullmatch(text)
    if match is None or int(match[2] or 0) > LAST_PORT:
        return False
    host: str = match[1]
    try:
        return not host.startswith("[") or bool(ipaddress.IPv6Address(host[1:-1]))
    except ValueError:
        return False


def _host_names(value: object) -> object:
    value = listed(value)
    if isinstance(value, list | tuple):
        for each in value:
            if not isinstance(each, str) or not is_host_name(each.lower()):
                raise ValueError(
                    f"{each!r} is not a host name with an optional port, such as "
                    "'mlflow.example.com'; write it without a scheme and without a path"
                )
    return value


HostNames = Annotated[tuple[str, ...], BeforeValidator(_host_names)]
"""Host names, each with a port or without one."""
