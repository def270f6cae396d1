"""On which terms one upstream is spoken to: what may change while its connections stay."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import ByteSize

from headgate.cluster import RetryPolicy
from headgate.contract import Dialect
from headgate.model import Principal, SizeClass
from headgate.policy import held, write_grant
from headgate.wire.cookies import divide_cookies


class UpstreamCredentials:
    """Which credentials the upstream is sent with a request.

    Attributes:
        are_clients: they are those of the client: a 401 of the upstream's is meant for the client.
        are_shown: the gate shows credentials of its own: a 403 of the upstream's is about them.
    """

    are_clients = False
    are_shown = False

    @abstractmethod
    def lines(self, values: Mapping[bytes, bytes], principal: Principal) -> bytes:
        """The header lines that say it, each with its end.

        Args:
            values: the client's header fields, by lower-case name.
            principal: who sends the request.
        """


class FixedCredentials(UpstreamCredentials):
    """The same for every request: the gate's own, or none.

    Args:
        authorization: the value of ``Authorization``; empty for none.
    """

    def __init__(self, authorization: str = "") -> None:
        self.are_shown = bool(authorization)
        line = f"Authorization: {authorization}\r\n" if authorization else ""
        self._line = line.encode("ascii")

    def lines(
        self,
        values: Mapping[bytes, bytes],  # noqa: ARG002 - the signature is UpstreamCredentials'
        principal: Principal,  # noqa: ARG002
    ) -> bytes:
        """See ``UpstreamCredentials``."""
        return self._line


class ClientCredentials(UpstreamCredentials):
    """The client's own, as they came, but for the cookies of the gate itself."""

    def __init__(self) -> None:
        self.are_clients = True

    def lines(
        self,
        values: Mapping[bytes, bytes],
        principal: Principal,  # noqa: ARG002 - the signature is UpstreamCredentials'
    ) -> bytes:
        """See ``UpstreamCredentials``."""
        authorization, cookie = values.get(b"authorization"), values.get(b"cookie")
        lines = b"Authorization: %b\r\n" % authorization if authorization else b""
        others = divide_cookies(cookie)[1] if cookie else b""
        return b"%bCookie: %b\r\n" % (lines, others) if others else lines


GATE_BODY_BYTES: Final = ByteSize(256 * 1024)
"""The largest body of a request for the gate's own pages."""


class PrincipalLines(UpstreamCredentials):
    """For the gate's own pages: who asks, what they may do there, and the gate's cookies.

    ``X-Headgate-Sender`` has the whole of it, as JSON in ASCII, for pages that act on behalf of
    who asks.  Clients cannot send these fields in any spelling (``headgate.wire.fields``).

    Args:
        family: the family of routes that the pages are.
    """

    def __init__(self, family: str) -> None:
        self.are_clients = True
        self._family = family

    def lines(
        self,
        values: Mapping[bytes, bytes],
        principal: Principal,
    ) -> bytes:
        """See ``UpstreamCredentials``."""
        cookie = values.get(b"cookie")
        own = divide_cookies(cookie)[0] if cookie else b""
        cookies = b"Cookie: %b\r\n" % own if own else b""
        if not principal.id:
            return cookies
        # The pages show every upstream: what is granted on one of them alone does not count.
        granted = principal.grants.everywhere.get(self._family, ())
        may = ",".join(each.value for each in granted)
        lines = (
            f"X-Headgate-Principal: {principal.id}\r\nX-Headgate-May: {may}\r\n"
            f"X-Headgate-Sender: {_sender(principal)}\r\n"
        )
        return lines.encode("ascii") + cookies


def _sender(principal: Principal) -> str:
    """A principal as JSON in ASCII, without any line end."""
    return json.dumps(
        {
            "id": principal.id,
            "name": principal.name,
            "method": principal.method.value,
            "issuer": principal.issuer,
            "credential": principal.credential,
            "roles": list(principal.grants.roles),
            "grants": [write_grant(each) for each in held(principal.grants)],
        }
    )


@dataclass(frozen=True, slots=True)
class UpstreamTerms:
    """The terms in force; replaced as a whole, by assignment to ``Balancer.terms``.

    Attributes:
        dialect: how the upstream's version wants to be spoken to, where that is known.
        credentials: which credentials it is sent.
        body_limits: the largest bodies, in bytes, where they differ from the gate's own limits.
        retry_policy: the bounds of retries for one request.
        silence_timeout: seconds that it may stay silent.
    """

    dialect: Dialect
    credentials: UpstreamCredentials
    body_limits: Mapping[SizeClass, ByteSize]
    retry_policy: RetryPolicy
    silence_timeout: float
