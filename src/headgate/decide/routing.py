"""Where a request leads by its method and its target alone, for every sender.

``Pipeline`` and ``headgate explain`` both ask this one router, so they cannot disagree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from headgate.config import Config
from headgate.contract import classify
from headgate.contract.former import is_former
from headgate.dataplane.decisions import Redirect, Refuse, Respond
from headgate.dataplane.failures import malformed
from headgate.errors import Refusal
from headgate.model import Operation, Phase
from headgate.reasons import Reason
from headgate.shields import Shield
from headgate.wire.errors import ProtocolError, ambiguous
from headgate.wire.request import METHODS
from headgate.wire.target import Target, canonicalise

# Clients that join an address with a final slash and a path; R's does so with file.path().
_AFTER_SLASH: Final = re.compile(rb"//(?:ajax-)?api/")


@dataclass(frozen=True, slots=True)
class Found:
    """The route that a request leads to.

    Attributes:
        upstream: the name of the upstream that serves it; empty for the gate's own pages.
        prefix: the public prefix, which is taken off the path.
        path: the rest of the path, canonical.
        operation: what the request asks for.
        response_lines: lines that the head of a good response gets, unless it has such fields.
    """

    upstream: str
    prefix: bytes
    path: bytes
    operation: Operation
    response_lines: tuple[bytes, ...] = ()


Destination = Found | Redirect | Respond | Refuse


def upstreams_by_prefix(config: Config) -> dict[str, str]:
    """The name of the upstream for each public prefix of a configuration."""
    return {prefix: name for name, each in config.upstreams.items() for prefix in each.prefixes}


class Router:
    """Routes requests by their public prefix, their path and their method.

    Args:
        upstreams: the name of the upstream for each public prefix.  A prefix has no slash at its
            end; the empty one is for every path that begins with no other.
        shield: refuses some routes for everybody, and has a response of its own for others.
    """

    def __init__(self, upstreams: Mapping[str, str], shield: Shield) -> None:
        self._shield = shield
        self._upstreams = {prefix.encode("ascii"): name for prefix, name in upstreams.items()}
        longest_first = sorted(filter(None, self._upstreams), key=len, reverse=True)
        self._prefix = re.compile(b"(?:%b)(?=/|$)" % b"|".join(map(re.escape, longest_first)))

    def find(
        self, method: bytes, target: bytes, host: bytes, *, is_browser: bool = False
    ) -> Destination:
        """Where a request leads.

        Args:
            method: of the request.
            target: as it was sent, with its query.
            host: the value of its ``Host``.
            is_browser: a prefix without a slash after it leads to a redirect, since links on
                MLflow's page are relative to that slash.
        """
        try:
            canonical = canonicalise(target, host)
        except ProtocolError as error:
            return _ambiguous(error, target)
        prefix, path = self._split(canonical.path)
        upstream = self._upstreams.get(prefix)
        if not path and upstream is not None:
            if is_browser:
                return Redirect(prefix + b"/" + canonical.query)
            path = b"/"
        operation = classify(method, path)
        if operation is not None and operation.gate_page:
            upstream = ""
        is_artifact = operation is not None and operation.ends_in_artifact
        if canonical.loose and not (is_artifact and upstream is not None):
            return _ambiguous(ambiguous(f"the path {canonical.loose}"), target)
        if operation is None or upstream is None:
            unprefixed = path if upstream is not None else b""
            return Refuse(_unknown_route(method, canonical, unprefixed), Phase.CLASSIFY)
        return self._shielded(Found(upstream, prefix, path, operation))

    def is_otlp(self, method: bytes, target: bytes, host: bytes) -> bool:
        """Whether a request is one of the OpenTelemetry protocol, wherever it leads."""
        try:
            canonical = canonicalise(target, host)
        except ProtocolError:
            return False
        operation = classify(method, self._split(canonical.path)[1])
        return operation is not None and operation.otlp

    def _split(self, path: bytes) -> tuple[bytes, bytes]:
        """The public prefix of a path and the rest."""
        match = self._prefix.match(path)
        if match is None:
            return b"", path
        end = match.end()
        return path[:end], path[end:]

    def _shielded(self, found: Found) -> Destination:
        """The same, unless the shield refuses it or responds itself."""
        response = self._shield.own_response(found.operation)
        if response is not None:
            return Respond(response)
        refusal = self._shield.check_path(found.operation, found.path)
        if refusal is not None:
            return Refuse(refusal, Phase.AUTHORISE)
        lines = self._shield.response_lines(found.operation)
        return replace(found, response_lines=lines) if lines else found


def _ambiguous(error: ProtocolError, target: bytes) -> Refuse:
    """The target has no single meaning; clients hear that without a key."""
    refusal = malformed(error)
    if _AFTER_SLASH.search(target):
        cure = " Remove the slash at the end of MLFLOW_TRACKING_URI."
        refusal = replace(refusal, message=refusal.message + cure)
    return Refuse(refusal, Phase.CANONICALISE)


def _unknown_route(method: bytes, target: Target, path: bytes) -> Refusal:
    """There is no such route; ``path`` is empty if no upstream has the prefix."""
    allowed = tuple(each for each in sorted(METHODS) if classify(each, path) is not None)
    asked = f"{method.decode('ascii')} {target.path.decode('ascii')}"
    if allowed and method not in allowed:
        methods = b", ".join(allowed).decode("ascii")
        return Refusal(
            Reason.ROUTE_UNKNOWN,
            f"No such route: {asked}. This path takes {methods}.",
            status=405,
            allow=allowed,
        )
    if is_former(path):
        return Refusal(
            Reason.ROUTE_UNKNOWN,
            f"No such MLflow route: {asked}. It is a route of MLflow 1.x, which MLflow 2.0 "
            "removed. Upgrade the client: pip install --upgrade mlflow.",
            phrase="a route of MLflow 1.x, upgrade the client",
        )
    return Refusal(
        Reason.ROUTE_UNKNOWN,
        f"No such MLflow route: {asked}. Check the path, and that MLFLOW_TRACKING_URI is the "
        "address of the gate that you were given.",
    )
