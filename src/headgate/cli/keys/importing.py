"""``headgate keys import``: keys that exist already, by their SHA-256."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from headgate.auth.keys.form import KeyForm, digest, form_of
from headgate.cli.administering import DataFolder, Url, administered, end_in
from headgate.cli.command import AsJson, Command, ConfigFile
from headgate.cli.identity_tables import in_roles, until
from headgate.cli.keys.options import Description, ExpiresIn, For, Narrow, RolesByDefault
from headgate.cli.output import document, tell
from headgate.errors import ConfigError, HeadgateError, Problem
from headgate.identity import ImportedKey, ImportRefused, NewKey
from headgate.identity.documents import key_document, seconds
from headgate.identity.naming import reference, refuse_secret
from headgate.symptoms import in_words
from headgate.wire.strict_json import JsonError, read_object

MOST_BYTES = 16 * 1024 * 1024
FIELDS = ("name", "sha256", "key", "principal", "roles", "narrowing", "description", "expires_at")
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})(?:\s+\*?-)?")  # as sha256sum prints it too

commands = typer.Typer()


@commands.command("import", cls=Command)
def import_(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="The name of the key, if the input is one alone."),
    ] = None,
    principal: For = None,
    expires_in: ExpiresIn = None,
    role: RolesByDefault = None,
    narrow: Narrow = None,
    description: Description = "",
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read this.  [standard input]")
    ] = None,
    as_json: AsJson = False,
    data: DataFolder = None,
    config: ConfigFile = None,
    url: Url = None,
) -> None:
    """Add keys that exist already, such as from another key store.

    The input is the SHA-256 of a key in hex, or the key itself: never give either as an argument.
    Without NAME each line of it is a JSON object with `name`, `sha256` or `key`, and if need be
    `principal`, `roles`, `narrowing`, `description` and `expires_at`; then all are added, or none.
    """
    if name is None:
        if principal or role or narrow or description or expires_in is not None:
            raise HeadgateError(
                "without NAME each line of the input says what its key may do; give no options"
            )
        numbered = list(_entries(_read(file)))
        entries = [entry for _, entry in numbered]
        numbers = [number for number, _ in numbered]
    else:
        reference(name)
        new = NewKey(name, principal, role, narrow or (), description, end_in(expires_in))
        entries, numbers = [ImportedKey(new, _digest(_read(file).strip()))], [1]
    if not entries:
        raise HeadgateError("the input is empty; nothing was imported")
    try:
        with administered(data, config, url, create=True) as client:
            keys = client.import_keys(entries)
    except ImportRefused as refused:
        if name is not None:
            raise refused.problems[0].error from None
        raise ConfigError(
            [Problem(f"line {numbers[each.index]}", str(each.error)) for each in refused.problems]
        ) from None
    if as_json:
        print(document({"keys": [key_document(each) for each in keys]}))
        return
    for key in keys:
        tell(
            f"imported the key '{key.name}' ({key.id}) of '{key.principal}' with "
            f"{in_roles(key.roles)}, valid {until(key)}"
        )


def _read(file: Path | None) -> str:
    """The input, whole.

    Raises:
        HeadgateError: it cannot be read, is too long, or is no text.
    """
    try:
        if file is not None:
            with file.open("rb") as opened:
                found = opened.read(MOST_BYTES + 1)
        else:
            if sys.stdin is None:
                raise OSError("it is closed")
            if sys.stdin.isatty():
                tell("headgate: reading from the terminal; end the input with Ctrl-D")
            found = sys.stdin.buffer.read(MOST_BYTES + 1)
    except OSError as error:
        where = "standard input" if file is None else file
        raise HeadgateError(f"cannot read {where}: {in_words(error)}") from None
    if len(found) > MOST_BYTES:
        raise HeadgateError(f"the input is longer than {MOST_BYTES // 1024**2} MiB; divide it")
    try:
        return found.decode()
    except UnicodeDecodeError:
        raise HeadgateError("the input is no text in UTF-8") from None


def _digest(text: str) -> bytes:
    """The SHA-256 that a text is, or that of the key that it is.

    Raises:
        HeadgateError: it is neither; the message does not repeat it.
    """
    match = _DIGEST.fullmatch(text)
    if match is not None:
        return bytes.fromhex(match[1])
    if form_of(text) is KeyForm.WELL_FORMED:
        return digest(text)
    if form_of(text) is KeyForm.MISTYPED:
        raise HeadgateError("that is no complete key: it was cut short or mistyped")
    raise HeadgateError("expected the SHA-256 of a key, 64 hex digits, or a key (hg_...)")


def _entries(text: str) -> Iterator[tuple[int, ImportedKey]]:
    """The keys of JSON lines, each with the number of its line.

    Raises:
        ConfigError: lines that are none; it has all of them.
    """
    found, problems = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                found.append((number, _entry(line)))
            except HeadgateError as error:
                problems.append(Problem(f"line {number}", str(error)))
    if problems:
        raise ConfigError(problems)
    yield from found


def _entry(line: str) -> ImportedKey:
    fields = _object(line)
    unknown = [name for name in fields if name not in FIELDS]
    if unknown:
        refuse_secret(unknown[0], "name of a field")
        raise HeadgateError(f"no such field: {unknown[0][:50]!r}; there are {', '.join(FIELDS)}")
    if ("sha256" in fields) == ("key" in fields):
        raise HeadgateError("give one of 'sha256' and 'key'")
    secret = _text(fields, "sha256" if "sha256" in fields else "key")
    end = _text(fields, "expires_at") if fields.get("expires_at") is not None else None
    try:
        expires_at = seconds(end)
    except ValueError:
        raise HeadgateError("'expires_at' is a time such as 2027-01-31T12:00:00Z") from None
    new = NewKey(
        name=_text(fields, "name"),
        principal=_text(fields, "principal") if fields.get("principal") is not None else None,
        roles=_texts(fields, "roles") if fields.get("roles") is not None else None,
        narrowing=_texts(fields, "narrowing") if fields.get("narrowing") is not None else (),
        description=_text(fields, "description") if "description" in fields else "",
        expires_at=expires_at,
    )
    return ImportedKey(new, _digest(secret))


def _object(line: str) -> dict[str, Any]:
    try:
        return read_object(line.encode("utf-8", "surrogateescape"))
    except JsonError as error:
        raise HeadgateError(f"the line {error}") from None


def _text(fields: dict[str, Any], name: str) -> str:
    found = fields.get(name)
    if not isinstance(found, str):
        raise HeadgateError(f"'{name}' is a text" if name in fields else f"'{name}' is missing")
    return found


def _texts(fields: dict[str, Any], name: str) -> list[str]:
    found = fields[name]
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise HeadgateError(f"'{name}' is a list of texts")
    return found
