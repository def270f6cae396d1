"""Pages of lists: a cursor is the id of the last one shown, which stays where it is for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from headgate.identity.errors import Invalid

Item = TypeVar("Item")


def page(
    items: Sequence[Item], id_of: Callable[[Item], str], cursor: str | None, limit: int
) -> tuple[Sequence[Item], str | None]:
    """The items after ``cursor``, and the cursor of the next page if there is one.

    Raises:
        Invalid: no item has that id.
    """
    start = 0
    if cursor is not None:
        start = next((at + 1 for at, item in enumerate(items) if id_of(item) == cursor), 0)
        if not start:
            raise Invalid("the cursor is not one that a page of this list ended with", "cursor")
    shown = items[start : start + limit]
    more = start + limit < len(items)
    return shown, id_of(shown[-1]) if more else None
