"""Networks of IP addresses in the configuration."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import BeforeValidator

from headgate.config.section import listed

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(value: object) -> object:
    """The networks of a list, or of a text in which commas part them.

    Raises:
        ValueError: some are none; the message names all of them.
    """
    value = listed(value)
    if not isinstance(value, list | tuple):
        return value
    found, problems = [], []
    for item in value:
        if not isinstance(item, str | ipaddress.IPv4Network | ipaddress.IPv6Network):
            problems.append(f"{item!r} is no network in quotes, such as '10.0.0.0/16'")
            continue
        try:
            found.append(ipaddress.ip_network(item))
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("; ".join(problems))
    return found


Networks = Annotated[tuple[Network, ...], BeforeValidator(_networks)]
"""Networks such as ``10.0.0.0/16``, in a list or with commas between them; none by default."""
