"""``headgate keys make`` and ``digest``: keys and their SHA-256 without any store.

For the first key of a gate that nobody has a shell on, and for keys for emergencies: the
configuration has the SHA-256, the person has the key.
"""

from __future__ import annotations

import sys

import typer

from headgate.auth.keys.form import KeyForm, digest, form_of
from headgate.cli.command import AsJson, Command
from headgate.cli.output import document, hand_over, tell
from headgate.errors import HeadgateError
from headgate.identity.keys import new_secret

commands = typer.Typer()

_LONGEST = 4096
_NOTHING = "no key was made"


@commands.command("make", cls=Command)
def make(as_json: AsJson = False) -> None:
    """Make a key that no gate knows, and its SHA-256.

    The key is printed to standard output, its SHA-256 to standard error.
    With the option for JSON, both are in the document on standard output.
    """
    key = new_secret()
    sha256 = digest(key).hex()
    if as_json:
        hand_over(document({"key": key, "sha256": sha256}), _NOTHING)
        return
    hand_over(key, _NOTHING)
    tell(f"its SHA-256, for the configuration, which is no secret:\n  {sha256}")
    tell("the key is shown only once and not stored")


@commands.command("digest", cls=Command)
def show_digest(as_json: AsJson = False) -> None:
    """Print the SHA-256 of a key that is read from standard input."""
    if sys.stdin is None or sys.stdin.isatty():
        tell("the key, which is not shown in this command's own output:")
    text = "" if sys.stdin is None else sys.stdin.read(_LONGEST).strip()
    if form_of(text) is not KeyForm.WELL_FORMED:
        raise HeadgateError(
            "standard input has no whole Headgate key, which starts with 'hg_'; "
            "headgate keys make makes one"
        )
    sha256 = digest(text).hex()
    hand_over(document({"sha256": sha256}) if as_json else sha256, "nothing was printed")
