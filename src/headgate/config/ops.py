"""The settings of the operators' listener."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, Field

from headgate.config.host_names import LAST_PORT, HostNames, is_host_name
from headgate.config.networks import Networks
from headgate.config.restart import RELOADED
from headgate.config.section import Section
from headgate.setting_sources import OPS_LISTEN

_FORM: Final = (
    "is not HOST:PORT, such as '127.0.0.1:9464', '[::1]:9464' or '0.0.0.0:9464' for every IPv4 "
    "address of the machine; '' switches the listener off"
)


def _address(value: str) -> str:
    """The address as it was written.

    Raises:
        ValueError: it is none.
    """
    host, _, port = value.rpartition(":")
    if value and not (host and port.isascii() and port.isdigit() and is_host_name(value.lower())):
        raise ValueError(f"{value!r} {_FORM}")
    if value and int(port) > LAST_PORT:
        raise ValueError(f"the port of {value!r} is over {LAST_PORT}")
    return value


class Ops(Section):
    """The operators' listener: health and metrics, in plain HTTP, without a key.

    Load balancers, Kubernetes and Prometheus use it. It serves `/livez`, `/readyz` and `/metrics`
    to GET and HEAD, and nothing else.
    """

    listen: Annotated[str, AfterValidator(_address)] = Field(
        OPS_LISTEN,
        description="Address and port to listen on, such as `0.0.0.0:9464` or `[::1]:9464`; port "
        "0: any free port; empty: no such listener. Let only your own network reach it. If the "
        "default is taken, the gate starts without this listener and logs a warning; if an address "
        "that you have set is taken, the gate does not start.",
    )
    hosts: HostNames = Field(
        (),
        json_schema_extra=RELOADED,
        description="Host names that requests to this listener may have in `Host`, such as "
        "`headgate.monitoring.svc`. IP addresses, `localhost` and the name in `listen` are always "
        "allowed; other names are refused, since a web page can make its own name lead here.",
    )

    proxy_protocol: Networks = Field(
        (),
        json_schema_extra=RELOADED,
        description="As `listen.proxy_protocol`, for this listener. If it is set, `headgate "
        "health` sends such a header; add `127.0.0.1`, or the address in `listen`, so that it may. "
        "Default: none, and no header is accepted.",
    )

    @property
    def is_chosen(self) -> bool:
        """Whether the address was set, not left at its default."""
        return "listen" in self.model_fields_set

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen on; ``None``: there is no such listener."""
        if not self.listen:
            return None
        host, _, port = self.listen.rpartition(":")
        return host.removeprefix("[").removesuffix("]"), int(port)
