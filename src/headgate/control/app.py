"""What the gate answers about itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from headgate.control.exposition import CONTENT_TYPE


@dataclass(frozen=True, slots=True)
class ControlFacts:
    """What the pages need to know.

    ``draining``: whether this worker is about to stop.  ``metrics``: the Prometheus text.
    """

    draining: Callable[[], bool]
    metrics: Callable[[], Iterator[str]]


def control_app(facts: ControlFacts) -> Starlette:
    """The application; its paths begin with ``/-/``."""

    async def livez(_request: Request) -> Response:
        """Answer: the process lives, whatever MLflow does."""
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        """Say whether new requests are welcome here."""
        if facts.draining():
            return PlainTextResponse("draining\n", status_code=503, headers={"Retry-After": "2"})
        return PlainTextResponse("ready\n")

    async def metrics(_request: Request) -> Response:
        """Show what was counted, over all workers."""
        return PlainTextResponse("".join(facts.metrics()), headers={"Content-Type": CONTENT_TYPE})

    return Starlette(
        routes=[
            Route("/-/livez", livez),
            Route("/-/readyz", readyz),
            Route("/-/metrics", metrics),
        ]
    )
