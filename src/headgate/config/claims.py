"""Where a claim stands in a token: its name, or a JSON Pointer for one within another.

Names of claims have dots (``kubernetes.io``) and slashes (``https://sts.amazonaws.com/``), so a
path with dots would have two meanings.  A text that starts with ``/`` is a JSON Pointer (RFC 6901):
``/kubernetes.io/namespace``, where ``~1`` stands for ``/`` and ``~0`` for ``~``.  Any other text is
the name of one claim, as it is.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator

_BAD_ESCAPE: Final = re.compile(r"~(?![01])")
_LONGEST: Final = 256


def steps(path: str) -> tuple[str, ...]:
    """The names that lead to a claim, one within the other."""
    if not path.startswith("/"):
        return (path,)
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))


def _checked(path: str) -> str:
    if not path or len(path) > _LONGEST:
        raise ValueError(f"must be the name of a claim, of at most {_LONGEST} characters")
    if path.startswith("/") and (_BAD_ESCAPE.search(path) or "" in steps(path)):
        raise ValueError(
            f"{path!r} is no JSON Pointer: write '/claim/claim within it', with '~1' for a slash "
            "and '~0' for a tilde within a name"
        )
    return path


ClaimPath = Annotated[str, AfterValidator(_checked)]
"""The setting of a claim."""
