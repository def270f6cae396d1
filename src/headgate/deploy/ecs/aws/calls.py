"""Making calls of AWS: clients, time-outs, retries, pages, and errors as sentences."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from headgate.deploy.clock import Clock
from headgate.deploy.ecs.aws.errors import failure_of, plane_error
from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from headgate.deploy.ecs.permissions import IDENTITY, Call

CONNECT_SECONDS = 5
READ_SECONDS = 20
BACKOFF = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds before each further attempt if AWS throttles; a random part of up to half is added."""


class Calls:
    """AWS in one region.

    Args:
        clock: waits between attempts.
        region: None for boto3's own choice: AWS_DEFAULT_REGION, or that of the profile.
        client: makes the client of an API; boto3's by default.
        told: hears a sentence before each wait because AWS throttles.

    Raises:
        PlaneError: there is no region, or no such profile.
    """

    def __init__(
        self,
        clock: Clock,
        region: str | None = None,
        client: Callable[[str], Any] | None = None,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._told = told
        self._clients: dict[str, Any] = {}
        if client is not None:
            self.region, self._client = region or "", client
            return
        try:
            session = boto3.Session(region_name=region)
        except (BotoCoreError, ValueError) as error:
            raise plane_error(error, IDENTITY, "the account", region or "no region") from None
        if not session.region_name:
            raise PlaneError(
                PlaneFailure.NO_REGION, "no AWS region is set: give --region or set AWS_REGION"
            )
        self.region = session.region_name
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            # For connections that break; throttling is waited for here, and longer.
            retries={"mode": "standard", "total_max_attempts": 2},
            user_agent_extra="headgate-ecs",
        )
        self._client = lambda name: session.client(name, config=config)

    def ask(self, call: Call, resource: str, **parameters: Any) -> Mapping[str, Any]:
        """Make a call; it is repeated while AWS throttles.

        Args:
            call: a row of ``permissions.CALLS``.
            resource: what it is about, for messages.
            parameters: as boto3 takes them.

        Raises:
            PlaneError: AWS refused, or cannot be reached.
        """
        for attempts, pause in enumerate((*BACKOFF, None), 1):
            try:
                result: Mapping[str, Any] = self._method(call)(**parameters)
            except (BotoCoreError, ClientError, ValueError) as error:
                if pause is None or failure_of(error) is not PlaneFailure.THROTTLED:
                    raise plane_error(error, call, resource, self.region, attempts) from error
                wait = pause * (1 + random.random() / 2)  # noqa: S311
                self._told(f"AWS throttles {call.action}, which is tried again in {wait:.0f} s")
                self._clock.sleep(wait)
            else:
                return result
        raise AssertionError("the last attempt returns or raises")

    def pages(
        self, call: Call, resource: str, member: str, following: str, **parameters: Any
    ) -> Iterator[Any]:
        """The elements of the list ``member`` of all pages; ``following`` names the next page."""
        request = dict(parameters)
        while True:
            response = self.ask(call, resource, **request)
            yield from response.get(member, ())
            page = response.get(following)
            if not page:
                return
            request[following] = page

    def foreign_endpoint(self, name: str) -> str:
        """Where an API is asked, if that is not AWS's own address; else empty."""
        if name not in self._clients:
            self._clients[name] = self._client(name)
        address = str(self._clients[name].meta.endpoint_url)
        host = (urlsplit(address).hostname or "").lower()
        return "" if host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")) else address

    def _method(self, call: Call) -> Callable[..., Any]:
        if call.client not in self._clients:
            self._clients[call.client] = self._client(call.client)
        method: Callable[..., Any] | None = getattr(self._clients[call.client], call.method, None)
        if method is None:
            raise PlaneError(
                PlaneFailure.UNSUPPORTED,
                f"the boto3 that is installed does not know {call.action}: "
                "pip install --upgrade boto3",
            )
        return method
