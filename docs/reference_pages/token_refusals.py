"""The section on tokens of the page of refusals, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from docs.reference_pages.markdown import table
from headgate.auth.tokens.form import REFUSED_HEADERS
from headgate.reasons import Reason

_SOURCE: Final = Path(__file__).parents[2] / "src" / "headgate" / "auth" / "tokens"
_MODULES: Final = ("form.py", "refusals.py", "trusted_issuer.py")
_INTRODUCTION: Final = """
## Tokens

Each message begins with "Headgate refused the request: its token" and ends with what to do.

- **Why**: [Tokens](../explanation/tokens.md) has each check with its reason and its RFC.
- **What to do**: `headgate tokens check` says step by step why a token is refused, and which
  condition of which rule does not hold.
- **Settings**: [`auth.issuers`](configuration.md#authissuersname).

"""

Text = Callable[[ast.expr], str]


def section(text: Text) -> str:
    """The section; ``text`` shows a text of the source."""
    rows = dict.fromkeys((f"`{reason}`", what) for reason, what in _sentences(text))
    return _INTRODUCTION + table(("Code", "Its token …"), sorted(rows))


def _sentences(text: Text) -> Iterator[tuple[str, str]]:
    malformed = Reason.TOKEN_MALFORMED.value
    yield from ((malformed, why) for why in REFUSED_HEADERS.values())
    for name in _MODULES:
        for node in ast.walk(ast.parse((_SOURCE / name).read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                called = ast.unparse(node.func).rpartition(".")[2]
                if called == "malformed" and (what := text(node.args[0])):
                    yield malformed, what
                elif called == "audience_wrong" and (what := text(node.args[0])):
                    yield Reason.TOKEN_AUDIENCE.value, what
                elif called == "refused" and (what := text(node.args[1])):
                    yield Reason[ast.unparse(node.args[0]).rpartition(".")[2]].value, what
