"""Finds in MLflow what a create has made, as its sender could."""

from __future__ import annotations

import json
from typing import Any, Final

from headgate.contract import Create
from headgate.dataplane.call import CallError, CallFailure
from headgate.dataplane.creates import Asked, CreateFinder
from headgate.upstreams.caller import Caller

MAX_PAGES: Final = 5
"""More than a thousand that are alike are no creates of processes that started together."""


class UpstreamCreates(CreateFinder):
    """Searches one upstream.

    Args:
        caller: asks it.
        patience: seconds for which a search is repeated that finds nothing.
        across_gates: whether gates share what they know of these creates.
    """

    def __init__(self, caller: Caller, patience: float, *, across_gates: bool) -> None:
        self._caller = caller
        self.patience = patience
        self.across_gates = across_gates

    async def find(self, asked: Asked) -> list[tuple[str, bytes]] | None:
        """See ``CreateFinder``."""
        create, page, found = asked.create, "", []
        for _ in range(MAX_PAGES):
            message = await self._search(asked, page)
            if message is None:
                return None
            try:
                made = [create.made(each) for each in message.get(create.results, [])]
            except (KeyError, TypeError, ValueError, AttributeError):
                return None  # it is no MLflow that is known
            found += [each for each in made if each is not None]
            page = message.get("next_page_token", "")
            if not page:
                return found
        return None

    async def _search(self, asked: Asked, page: str) -> dict[str, Any] | None:
        """One page of the search; ``None``: it is refused."""
        create: Create = asked.create
        workspace = asked.workspace
        response = await self._caller.ask(
            "POST",
            create.target,
            create.search(page),
            workspace=None if workspace is None else workspace.decode("latin-1"),
            credentials=asked.lines,
        )
        if response.status >= 500:
            raise CallError(CallFailure.INVALID, f"the search had status {response.status}")
        if response.status != 200:
            return None
        try:
            message = json.loads(response.body)
        except (ValueError, RecursionError):
            return None
        return message if isinstance(message, dict) else None
