"""Options that several commands have, as the fields of one record.

A dataclass whose fields are annotated as typer's parameters is spelled out once; ``takes`` gives
its options to a command, which receives the record::

    @dataclass(frozen=True)
    class Where:
        url: Annotated[str | None, typer.Option(metavar="URL", help="…")] = None

    @commands.command("show")
    @takes(Where)
    def show(where: Where, *, as_json: AsJson = False) -> None: ...
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

Record = TypeVar("Record")
Others = ParamSpec("Others")
Command = Callable[Concatenate[Record, Others], None]


def takes(record: type[Record]) -> Callable[[Command[Record, Others]], Callable[..., None]]:
    """Give a command the options of a record, behind its own that have no default.

    Args:
        record: a dataclass; each field is an option.
    """
    hints = typing.get_type_hints(record, include_extras=True)
    names = [each.name for each in dataclasses.fields(record)]  # type: ignore[arg-type]
    options = [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty
            if each.default is dataclasses.MISSING
            else each.default,
            annotation=hints[each.name],
        )
        for each in dataclasses.fields(record)  # type: ignore[arg-type]
    ]

    def taking(command: Command[Record, Others]) -> Callable[..., None]:
        @functools.wraps(command)
        def wrapper(**given: Any) -> None:
            found = record(**{name: given.pop(name) for name in names})
            command(found, **given)  # type: ignore[call-arg]

        _, *own = inspect.signature(command, eval_str=True).parameters.values()
        own = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
        first = [each for each in own if each.name not in _LAST]
        last = [each for each in own if each.name in _LAST]
        wrapper.__signature__ = inspect.Signature([*first, *options, *last])  # type: ignore[attr-defined]
        wrapper.__annotations__ = {each.name: each.annotation for each in (*first, *options, *last)}
        return wrapper

    return taking


_LAST = ("as_json",)
"""What every command has at the end of its help."""
