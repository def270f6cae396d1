"""Requests to the admin API of a gate, with Python's own HTTP client.

No redirect is followed and no proxy of the environment used: the key goes to the address that was
given, and to no other.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, NamedTuple, Protocol, Self
from urllib.parse import quote, urlencode, urlsplit

from headgate import __version__
from headgate.cli import client_tls
from headgate.cli.verify import key_to_send, tracking_url
from headgate.errors import HeadgateError
from headgate.identity import (
    Conflict,
    EntryProblem,
    IdentityError,
    ImportRefused,
    Invalid,
    NotAllowed,
    NotFound,
)

TIMEOUT_SECONDS: Final = 30.0
"""For each step: to connect, and between two parts of a response."""
LARGEST_RESPONSE: Final = 32 * 1024 * 1024
_REFUSED: Final = "Headgate refused the request: "
_ERRORS: Final[Mapping[str, Callable[[str], IdentityError]]] = {
    "not_found": NotFound,
    "conflict": Conflict,
    "forbidden": NotAllowed,
    "request_invalid": Invalid,
}


class Exchange(Protocol):
    """Sends one request and returns the response."""

    def __call__(
        self, method: str, target: str, fields: Mapping[str, str], body: bytes | None
    ) -> Response:
        """The response to a request with this method, path and query, header and body.

        Raises:
            HeadgateError: there is none.
        """
        ...


class Response(NamedTuple):
    """What was responded; ``reason``: the value of ``X-Headgate-Reason``, if it has one."""

    status: int
    reason: str | None
    body: bytes


class GateApi:
    """The admin API of one gate.

    Args:
        url: of the gate, any public prefix included, without a slash at its end.
        exchange: sends requests there.
    """

    def __init__(self, url: str, exchange: Exchange) -> None:
        self._url = url
        self._exchange = exchange

    @classmethod
    def of(cls, url: str, environment: Mapping[str, str]) -> Self:
        """The API of the gate at ``url``, with the key of the environment or of a prompt.

        Raises:
            HeadgateError: it is no address, or there is no key.
        """
        url = tracking_url(url)
        key, _ = key_to_send(environment)
        return cls(url, HttpExchange(url, key, environment))

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The response to one request; ``path`` is that after ``/-/api/v1/``.

        Raises:
            IdentityError: the gate does not do it.
            HeadgateError: the gate cannot be asked, or what responds is no gate.
        """
        target = f"/-/api/v1/{quote(path)}"
        if query:
            target += f"?{urlencode(query, quote_via=quote)}"
        fields = {"Accept": "application/json"}
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            fields["Content-Type"] = "application/json"
        response = self._exchange(method, target, fields, content)
        document = self._read(response)
        if 200 <= response.status < 300:
            return document
        raise self._error(response, document)

    def _read(self, response: Response) -> dict[str, Any]:
        if response.reason is None:
            raise HeadgateError(
                f"what responds at {self._url} with status {response.status} is not Headgate; use "
                "the tracking URI that you give to clients"
            )
        try:
            document = json.loads(response.body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise HeadgateError(
                f"the gate at {self._url} responded with status {response.status} "
                f"({response.reason}) and no JSON"
            )
        return document

    def _error(self, response: Response, document: Mapping[str, Any]) -> HeadgateError:
        reason = response.reason or ""
        message = str(document.get("message", f"status {response.status} ({reason})"))
        kind = _ERRORS.get(reason)
        problems = document.get("problems")
        if isinstance(problems, list) and problems:
            return ImportRefused([_problem(each) for each in problems])
        if kind is not None and message.startswith(_REFUSED):
            return kind(message.removeprefix(_REFUSED).removesuffix("."))
        if reason == "route_unknown":
            return HeadgateError(
                f"the gate at {self._url} has no admin API there: it is older than this program, "
                "or the path in --url is not one of its prefixes"
            )
        if response.status == HTTPStatus.UNAUTHORIZED:
            why = message.removeprefix(_REFUSED).partition("; ")[0].removeprefix("its ")
            return HeadgateError(
                f"the gate at {self._url} refused the key: {why}; set HEADGATE_API_KEY anew"
            )
        return HeadgateError(f"{self._url}: {message}")


def _problem(document: Mapping[str, Any]) -> EntryProblem:
    kind = _ERRORS.get(document["reason"], IdentityError)
    return EntryProblem(document["index"], kind(document["message"]))


@dataclass(frozen=True, slots=True)
class HttpExchange:
    """Sends requests over HTTP, each on a connection of its own.

    Attributes:
        url: where to.
        key: what is shown.
        environment: names the files of TLS, as for MLflow's client.
    """

    url: str
    key: str = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)

    def __call__(
        self, method: str, target: str, fields: Mapping[str, str], body: bytes | None
    ) -> Response:
        """See ``Exchange``."""
        own = {
            "Authorization": f"Bearer {self.key}",
            "User-Agent": f"headgate/{__version__}",
            "Connection": "close",
        }
        connection = self._connection()
        try:
            connection.request(method, urlsplit(self.url).path + target, body, own | dict(fields))
            response = connection.getresponse()
            read = response.read(LARGEST_RESPONSE + 1)
        except TimeoutError:
            raise HeadgateError(
                f"{self.url} has not responded within {TIMEOUT_SECONDS:g} seconds"
                + ("" if body is None else "; whether the change was made is not known")
            ) from None
        except (OSError, http.client.HTTPException) as error:
            said = client_tls.explained(error, self.url, self.environment)
            raise HeadgateError(f"cannot ask the gate at {self.url}: {said}") from None
        finally:
            connection.close()
        if len(read) > LARGEST_RESPONSE:
            raise HeadgateError(f"the response of {self.url} is over {LARGEST_RESPONSE} bytes")
        return Response(response.status, response.getheader("X-Headgate-Reason"), read)

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            tls = client_tls.context(self.environment)
            return http.client.HTTPSConnection(
                host, parts.port, timeout=TIMEOUT_SECONDS, context=tls
            )
        return http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_SECONDS)
