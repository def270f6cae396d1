"""Names that equal another name after decoding, or look like another name."""

from __future__ import annotations

import re
from typing import Final

# CVE-2024-3099: some stores and pages of MLflow decode the names of registered models, but never
# those of experiments.
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Embeddings, overrides and isolates (Unicode Standard Annex 9, section 2).  The marks U+061C,
# U+200E and U+200F override nothing, and belong in text of both directions.
_TURNING: Final = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
# Zero-width and filling characters, invisible operators, deprecated format characters and tags.
# The joiners U+200C and U+200D have a meaning between letters of some scripts and in emoji.
_UNSEEN: Final = re.compile(
    r"[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0"
    r"\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    r"|(?<![^\x00-\x7f\u200c\u200d])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f\u200c\u200d])"
)


def trouble(name: str, *, model: bool) -> str:
    """What a new name contains that it must not, to follow "the name contains"; empty if nothing.

    Args:
        name: of an experiment or of a registered model.
        model: whether it is the name of a registered model.
    """
    if model and _ESCAPE.search(name):
        return "a percent-escape"
    if _CONTROL.search(name):
        return "a control character"
    if _TURNING.search(name):
        return "a character that turns the direction of writing"
    return "a character that cannot be seen" if _UNSEEN.search(name) else ""
