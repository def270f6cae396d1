"""Reads what a request to the admin API asks for, strictly: what is unclear is refused."""

from __future__ import annotations

import re
from typing import TypeVar
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.requests import Request

from headgate.control.api.values import Model
from headgate.wire.strict_json import JsonError, read_json

_MOST_PARAMETERS = 20
_BRANCH = re.compile(r"function-|literal\[|constrained-")
_NAMED = 5
"""How many problems a message names at most."""

Read = TypeVar("Read", bound=Model)


class BadRequestError(Exception):
    """The request cannot be taken; the message says what is wrong, safe to repeat."""


async def read_body(request: Request, model: type[Read], *, optional: bool) -> Read:
    """The JSON body of a request.

    Args:
        request: the request.
        model: what the body has to be.
        optional: it may be left out, which is as if it were ``{}``.

    Raises:
        BadRequestError: it is anything else.
    """
    body = await request.body()
    if not body and optional:
        return model()
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "application/json":
        raise BadRequestError("the body has to be JSON, with Content-Type: application/json")
    if parameters.strip().lower().replace('"', "") not in {"", "charset=utf-8"}:
        raise BadRequestError("the body has to be in UTF-8, which JSON always is")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise BadRequestError("the body must not be compressed")
    try:
        read_json(body)  # which refuses more than pydantic does
        return model.model_validate_json(body)
    except JsonError as error:
        raise BadRequestError(f"the body {error}") from None
    except ValidationError as error:
        raise BadRequestError(_told(error, "")) from None


def read_query(request: Request, model: type[Read] | None) -> Read | None:
    """The query string of a request, each parameter once.

    Raises:
        BadRequestError: it has a parameter that is unknown, given twice or unfit.
    """
    raw: bytes = request.scope["query_string"]
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:  # UnicodeDecodeError is one
        raise BadRequestError(
            "the query string is not a list of NAME=VALUE in UTF-8, with & between them"
        ) from None
    if model is None:
        if pairs:
            raise BadRequestError("this takes no query string")
        return None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise BadRequestError(f"the parameter {name[:60]!a} stands twice in the query string")
        found[name] = value
    try:
        return model.model_validate(found)
    except ValidationError as error:
        raise BadRequestError(_told(error, "the parameter ")) from None


def _told(error: ValidationError, what: str) -> str:
    """All that is wrong, each with its place; values of the client are not repeated."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [_line(tuple(each["loc"]), each["type"], each["msg"], what) for each in problems]
    unique = list(dict.fromkeys(lines))
    more = f"; and {len(unique) - _NAMED} more" if len(unique) > _NAMED else ""
    return "; ".join(unique[:_NAMED]) + more


def _line(place: tuple[int | str, ...], kind: str, message: str, what: str) -> str:
    # A union's own branches are in the place too: they are no names of the client's.
    names = [str(each)[:60] for each in place if not _BRANCH.match(str(each))]
    path = ".".join(names)
    if kind == "extra_forbidden":
        return f"{what}{path!a} is not known"
    if kind == "missing":
        return f"{what}{path!a} is missing"
    text = message.removeprefix("Value error, ")
    text = text[:1].lower() + text[1:]
    return f"{what}{path!a}: {text}" if path else text
