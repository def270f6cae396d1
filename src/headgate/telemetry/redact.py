r"""Takes out what looks like a key or a token, wherever it was sent: a path, a user agent.

A key is found as it is, percent-encoded however often, with ``\u`` escapes of JSON, and as Basic
credentials (base64) at any alignment, in any nesting of the first two.  A text is decoded to a
fixed point with the place each character came from, and what is masked is what stood there.

A token (JWT) needs no encoding in a URL or a header field, so that it is found as it is, or with
its dots percent-encoded; also one that was cut off, since claims may name people.
"""

from __future__ import annotations

import binascii
import re
import string
from typing import Final

MASK: Final = "hg_***"
MASK_OF_TOKENS: Final = "eyJ***"
_BEGINS: Final = "eyJ"  # base64url of '{"', with which a token begins
_SHORTEST_HEAD: Final = 8  # characters of a token's first part, behind those three
# What tokens are made of, with percent-encoded dots.
_TOKEN_CHARACTERS: Final = re.compile(r"[0-9A-Za-z_.%-]+")
_KEY: Final = re.compile(r"hg_[0-9A-Za-z]{16,}")
_KEY_BYTES: Final = re.compile(rb"hg_[0-9A-Za-z]{16,}")
# Escapes of characters that a key, an escape or base64 can be made of.
_ESCAPE: Final = re.compile(
    r"%(?:2[5bBdDfF]|3[0-9dD]|[46][0-9A-Fa-f]|5[0-9aAcCfF]|7[0-9aA])|\\[ux]0{0,2}[2-7]"
)
# ``hg_`` in base64, by how many bytes of a group stand before it.
_MARKS: Final = ("aGdf", "hnX", "oZ1")
# What is left of the marks and of ``hg_`` when what stands before them is the beginning of an
# escape, which takes hexadecimal digits for its end: ``%6`` and ``aGdf`` make ``jGdf``.
_CUT_MARKS: Final = ("Gdf", "hnX", "oZ1")
_CUT_KEY_BYTES: Final = re.compile(rb"_[0-9A-Za-z]{16,}")
_BASE64: Final = re.compile(r"[0-9A-Za-z+/_\-]{24,}")
_TO_STANDARD: Final = str.maketrans("-_", "+/")
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_USEFUL: Final = frozenset(string.ascii_letters + string.digits + "%\\+/_-")


def shown_path(target: bytes) -> bytes:
    """What may be shown of a target: neither its query nor its fragment, nor a password."""
    path = target.partition(b"?")[0].partition(b"#")[0]
    if not path.startswith(b"/"):  # in absolute form; its host may follow a password
        path = path.rpartition(b"@")[2]
    return path


def without_keys(text: str) -> str:
    """The text with a mask in place of each key or token, whole or cut short.

    Args:
        text: a line of JSON or a part of one, whose characters are all ASCII.
    """
    # One rare character is looked for first: that costs a thirtieth of a search for three.
    if "J" in text and _BEGINS in text:
        text = _TOKEN_CHARACTERS.sub(_without_token, text)
    if ("%" in text or "\\" in text) and _ESCAPE.search(text) is not None:
        return _without_encoded_keys(text)
    if "hg_" in text:
        text = _KEY.sub(MASK, text)
    if "aGdf" in text or ("X" in text and "hnX" in text) or ("Z" in text and "oZ1" in text):
        spans = _in_base64(text)
        return _masked(text, spans) if spans else text
    return text


def _without_token(found: re.Match[str]) -> str:
    before, begins, rest = found[0].partition(_BEGINS)
    parts = rest[_SHORTEST_HEAD:]
    return before + MASK_OF_TOKENS if begins and ("." in parts or "%2" in parts) else found[0]


def _without_encoded_keys(text: str) -> str:
    spans: list[tuple[int, int]] = []
    # A backslash before an escape is one more of them, or the same again in JSON within JSON.
    for whole_runs in (False, True) if "\\" in text else (False,):
        decoded, starts, ends = _decoded(text, whole_runs)
        found = [(each.start(), each.end()) for each in _KEY.finditer(decoded)]
        if any(mark in decoded for mark in _CUT_MARKS):
            found += _in_base64(decoded, cut=True)
        spans += [(starts[first], ends[end - 1]) for first, end in found]
    spans.sort()
    return _masked(text, spans)


def _masked(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with a mask in place of each span; the spans are in order."""
    parts = []
    at = 0
    for first, end in spans:
        if first >= at:
            parts.append(text[at:first])
            parts.append(MASK)
        at = max(at, end)
    parts.append(text[at:])
    return "".join(parts)


def _decoded(text: str, whole_runs: bool) -> tuple[str, list[int], list[int]]:
    """The text without backslashes and escapes of ``_USEFUL``, and where each character stands.

    What an escape stands for can complete another one, so the
    end of what is decoded is looked at again after each character: no more steps than characters.
    """
    stack = _Stack()
    at = 0
    while at < len(text):
        stack.push(text[at], at, 0)
        at += 2 if text.startswith("\\\\", at) else 1  # JSON writes a backslash as two
        while stack.characters[-1] in _HEX and stack.reduce(whole_runs):
            pass
    kept = [at for at, each in enumerate(stack.characters) if each != "\\"]
    places = [*stack.starts, len(text)]
    return (
        "".join([stack.characters[at] for at in kept]),
        [places[at] for at in kept],
        [places[at + 1] for at in kept],
    )


class _Stack:
    """What is decoded already: characters, where each began, in how many escapes each was."""

    def __init__(self) -> None:
        self.characters: list[str] = []
        self.starts: list[int] = []
        self._depths: list[int] = []

    def push(self, character: str, start: int, depth: int) -> None:
        """Add a character that stands at ``start`` of the text."""
        self.characters.append(character)
        self.starts.append(start)
        self._depths.append(depth)

    def reduce(self, whole_runs: bool) -> bool:
        """Put what it stands for in place of an escape at the end, if there is one."""
        characters = self.characters
        count = len(characters)
        if count < 3 or characters[-2] not in _HEX:
            return False
        length = 0
        if characters[-3] == "%":
            length = 3
        elif characters[-3] == "x" and count > 3:
            length = self._with_slashes(3, whole_runs)
        elif count > 5 and characters[-5] == "u" and characters[-4] == characters[-3] == "0":
            length = self._with_slashes(5, whole_runs)
        if not length:
            return False
        value = chr(int(characters[-2] + characters[-1], 16))
        if value not in _USEFUL:
            return False  # its digits may be the first characters of a key in base64
        start, depth = self.starts[-length], self._depths[-length]
        del characters[-length:]
        del self.starts[-length:]
        del self._depths[-length:]
        self.push(value, start, depth + 1)
        return True

    def _with_slashes(self, length: int, whole_runs: bool) -> int:
        """The length of an escape with its backslashes; 0 if there is none before it."""
        at = len(self.characters) - length - 1
        if self.characters[at] != "\\":
            return 0
        if not whole_runs:
            return length + 1
        depth = self._depths[at]
        while at > 0 and self.characters[at - 1] == "\\" and self._depths[at - 1] == depth:
            at -= 1
        return len(self.characters) - at


def _in_base64(text: str, cut: bool = False) -> list[tuple[int, int]]:
    """Where keys stand in base64, to whole groups of four characters.

    Args:
        text: what to search.
        cut: find a key too whose ``hg`` is lost, and leave the ``a`` of ``aGdf``: it may be the
            end of an escape of JSON, which must stay whole.
    """
    pattern = _CUT_KEY_BYTES if cut else _KEY_BYTES
    spans = []
    for run in _BASE64.finditer(text):
        encoded = run[0].translate(_TO_STANDARD)
        for skipped in range(4):
            usable = len(encoded) - skipped
            tail = usable % 4
            if tail == 1:
                usable -= 1
            padded = encoded[skipped : skipped + usable] + "=" * (-usable % 4)
            for found in pattern.finditer(binascii.a2b_base64(padded)):
                first = run.start() + skipped + found.start() // 3 * 4
                if cut and found.start() % 3 == 2:
                    first += 1
                end = run.start() + skipped + -(-found.end() // 3) * 4
                spans.append((first, min(end, run.end())))
    spans.sort()
    return spans
