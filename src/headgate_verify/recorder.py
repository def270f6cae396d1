"""Records the requests of the MLflow client, one step at a time.

MLflow turns failures into messages: status, headers and often the body are lost when its exception
arrives.  Two public methods of the libraries below it see every attempt, so the recorder wraps them
while it is installed: ``requests.adapters.HTTPAdapter.send`` (the
response, or what kept the request from being sent) and ``urllib3.Retry.increment`` (each attempt
that is to be repeated, and the last one, whose response urllib3 discards).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry
from urllib3 import exceptions as urllib3_exceptions
from urllib3.response import BaseHTTPResponse

from headgate_verify.exchange import Exchange, answered, unanswered

_BODY_LIMIT = 64 * 1024


class Recorder:
    """The exchanges of the current step.  MLflow's download threads may append."""

    def __init__(self) -> None:
        self._exchanges: list[Exchange] = []
        self._attempts: list[Exchange] = []

    def clear(self) -> None:
        """Start a step."""
        self._exchanges.clear()
        self._attempts.clear()

    @property
    def last(self) -> Exchange | None:
        """The latest exchange."""
        return self._exchanges[-1] if self._exchanges else None

    @property
    def last_failed(self) -> Exchange | None:
        """The latest exchange that failed, else the latest."""
        return next((e for e in reversed(self._exchanges) if e.failed), self.last)

    @property
    def repeated(self) -> tuple[Exchange, ...]:
        """Failed attempts that the client retried."""
        return tuple(self._attempts)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Record everything sent through requests until the block ends."""
        send, increment = HTTPAdapter.send, Retry.increment

        def recording_send(
            adapter: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **kwargs: Any
        ) -> requests.Response:
            before = len(self._exchanges)
            try:
                response = send(adapter, request, *args, **kwargs)
            except (OSError, urllib3_exceptions.HTTPError) as error:
                if len(self._exchanges) == before:  # otherwise `increment` has recorded it
                    self._exchanges.append(
                        unanswered(request.method or "", request.url or "", error)
                    )
                raise
            self._exchanges.append(_final(request, response))
            return response

        def recording_increment(
            retry: Retry,
            method: str | None = None,
            url: str | None = None,
            response: BaseHTTPResponse | None = None,
            error: Exception | None = None,
            *args: Any,
            **kwargs: Any,
        ) -> Retry:
            exchange = _attempt(method or "", url or "", response, error)
            self._exchanges.append(exchange)
            self._attempts.append(exchange)
            return increment(retry, method, url, response, error, *args, **kwargs)

        with (
            _replaced(HTTPAdapter, "send", recording_send),
            _replaced(Retry, "increment", recording_increment),
        ):
            yield


@contextmanager
def _replaced(owner: type, name: str, method: Callable[..., object]) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, method)
    try:
        yield
    finally:
        setattr(owner, name, original)


def _final(request: requests.PreparedRequest, response: requests.Response) -> Exchange:
    """A response that the client receives; only the body of an error is read."""
    body = b""
    if response.status_code >= 400:
        try:
            body = response.content
        except requests.RequestException:
            body = b""  # the status of a broken error page is enough
    return answered(
        request.method or "",
        request.url or "",
        response.status_code,
        response.headers,
        body[:_BODY_LIMIT],
    )


def _attempt(
    method: str, url: str, response: BaseHTTPResponse | None, error: Exception | None
) -> Exchange:
    if response is None:
        return unanswered(method, url, error or urllib3_exceptions.HTTPError("no response"))
    try:
        body = response.read(_BODY_LIMIT, decode_content=True)
    except (OSError, urllib3_exceptions.HTTPError):
        body = b""  # as above
    return answered(method, url, response.status, response.headers, body)
